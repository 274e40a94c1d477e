#!/usr/bin/env python3
"""libtorrent_peer.py IP [NAME=VALUE ..]: one libtorrent session, which is told on stdin what to do.

Prints events as our own programs do: `start` with its port, and `seeding` for each torrent that is
whole. One line `{"torrents": [..], "folder": "..", "peers": ["IP:PORT", ..]}` adds torrents, so
that the start of the interpreter is in no figure. The settings are those for speed on one machine:
no discovery, no encryption, deep queues, no limits; NAME=VALUE adds to them.
"""
import json, sys, warnings
warnings.simplefilter("ignore")
import libtorrent as lt


def tell(event, **fields):
    print(json.dumps({"event": event} | fields, separators=(",", ":")), flush=True)


def main():
    address, *more = sys.argv[1:]
    session = lt.session({
        "listen_interfaces": f"{address}:0", "outgoing_interfaces": address,
        "alert_mask": lt.alert.category_t.status_notification,
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_outgoing_utp": False, "enable_incoming_utp": False,
        "out_enc_policy": 2, "in_enc_policy": 2, "allow_multiple_connections_per_ip": True,
        "send_buffer_watermark": 4 << 20, "send_buffer_low_watermark": 1 << 20,
        "send_buffer_watermark_factor": 200, "max_out_request_queue": 1500,
        "max_allowed_in_request_queue": 2000, "max_queued_disk_bytes": 64 << 20,
        "aio_threads": 2, "hashing_threads": 2,
        "recv_socket_buffer_size": 1 << 20, "send_socket_buffer_size": 1 << 20,
    } | {name: json.loads(value) for name, value in (word.split("=", 1) for word in more)})
    while session.listen_port() == 0:
        session.wait_for_alert(1)
    tell("start", port=session.listen_port())
    work = json.loads(sys.stdin.readline())
    for torrent in work["torrents"]:
        params = lt.add_torrent_params()
        params.ti, params.save_path = lt.torrent_info(torrent), work["folder"]
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        handle = session.add_torrent(params)
        for peer in work["peers"]:
            ip, port = peer.rsplit(":", 1)
            handle.connect_peer((ip, int(port)))
    while True:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.state_changed_alert) \
                    and alert.state == lt.torrent_status.states.seeding:
                tell("seeding")


main()
