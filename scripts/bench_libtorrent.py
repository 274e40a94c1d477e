#!/usr/bin/env python3
"""bench_libtorrent.py TORRENT FOLDER IP [IP:PORT ..]: one libtorrent peer, for bench.py.

Prints `port N`, then `bytes N` and `state NAME` as they change. Its settings are those for speed
on one machine: no discovery, no encryption, deep queues, no limits.
"""
import sys, time
import libtorrent as lt

torrent, folder, address, *peers = sys.argv[1:]
session = lt.session({
    "listen_interfaces": f"{address}:0", "outgoing_interfaces": address, "alert_mask": 0,
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_outgoing_utp": False, "enable_incoming_utp": False,
    "out_enc_policy": 2, "in_enc_policy": 2, "allow_multiple_connections_per_ip": True,
    "send_buffer_watermark": 4 << 20, "send_buffer_low_watermark": 1 << 20,
    "send_buffer_watermark_factor": 200, "max_out_request_queue": 1500,
    "max_allowed_in_request_queue": 2000, "max_queued_disk_bytes": 64 << 20, "aio_threads": 2,
    "hashing_threads": 2, "recv_socket_buffer_size": 1 << 20, "send_socket_buffer_size": 1 << 20,
})
params = lt.add_torrent_params()
params.ti, params.save_path = lt.torrent_info(torrent), folder
params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
handle = session.add_torrent(params)
while session.listen_port() == 0:
    time.sleep(0.001)
print("port", session.listen_port(), flush=True)
for peer in peers:
    ip, port = peer.rsplit(":", 1)
    handle.connect_peer((ip, int(port)))
told = None
while True:
    status = handle.status()
    state = (status.total_wanted_done, str(status.state).rsplit(".", 1)[-1])
    if state != told:
        told = state
        print(f"bytes {state[0]}\nstate {state[1]}", flush=True)
    time.sleep(0.01)
