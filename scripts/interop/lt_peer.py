"""lt_peer.py JSON: one libtorrent peer. Prints its state as JSON lines whenever that changes.

JSON: `what` (a .torrent or a magnet), `folder`, `listen` (ADDRESS:PORT), `settings` (overrides).
Encryption and every other thing that is not about discovery is left at the library's defaults.
"""

import json
import sys
import time

import libtorrent as lt

options = json.loads(sys.argv[1])
host = options["listen"].rsplit(":", 1)[0].strip("[]")
session = lt.session({
    "listen_interfaces": options["listen"], "outgoing_interfaces": host,
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_outgoing_utp": False, "enable_incoming_utp": False,
    "allow_multiple_connections_per_ip": True, "min_reconnect_time": 3,
    "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.tracker_notification
    | lt.alert.category_t.peer_notification | lt.alert.category_t.connect_notification,
} | options.get("settings", {}))

what = options["what"]
params = lt.parse_magnet_uri(what) if what.startswith("magnet:") else lt.add_torrent_params()
if not what.startswith("magnet:"):
    params.ti = lt.torrent_info(what)
params.save_path = options["folder"]
params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
handle = session.add_torrent(params)

told, moved = None, {}
while True:
    for alert in session.pop_alerts():
        print(f"{alert.what()}: {alert.message()}", file=sys.stderr, flush=True)
    status = handle.status()
    for peer in handle.get_peer_info():
        # A connection that ends takes its counters with it: the most that was seen is kept.
        address = peer.ip[0]
        down, up = moved.get(address, (0, 0))
        moved[address] = (max(down, peer.total_download), max(up, peer.total_upload))
    state = {
        "state": str(status.state).rsplit(".", 1)[-1], "bytes": status.total_wanted_done,
        "done": status.is_seeding, "error": status.errc.message() if status.errc.value() else "",
        "peers": status.num_peers, "moved": moved,
        "uploaded": status.total_payload_upload, "downloaded": status.total_payload_download,
    }
    if json.dumps(state) != told:
        told = json.dumps(state)
        print(told, flush=True)
    time.sleep(0.05)
