"""What the machine and plain tools can do in the same run: the limits of what ours can reach."""
import contextlib, filecmp, json, os, socket, subprocess, time
from clients import cpu_seconds, memory_mib
from stage import MIB, Broken, free_port, run
from table import spread

NGINX = """daemon off; master_process off; worker_processes 1;
pid {work}/pid; error_log {work}/errors;
events {{ worker_connections 64; }}
http {{
    access_log off; sendfile on; tcp_nopush on;
    client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fast;
    uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


@contextlib.contextmanager
def serving(argv, port, **more):
    """A server as a process of ours, once it takes calls."""
    server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, **more)
    try:
        for _ in range(1000):
            if server.poll() is not None:
                raise Broken(f"{argv[0]} ended at once, with {server.returncode}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.01)
        yield server
    finally:
        server.kill()
        server.wait()


def curl(stage, source):
    """An HTTP download to a file, which nobody verifies."""
    with stage.folder() as work:
        port, name = free_port(), os.path.basename(source)
        with open(f"{work}/nginx.conf", "w") as config:
            config.write(NGINX.format(work=work, port=port, folder=os.path.dirname(source)))
        argv = ["nginx", "-c", f"{work}/nginx.conf", "-e", f"{work}/errors"]
        with serving(argv, port) as nginx:
            before, used = cpu_seconds(nginx.pid), os.times()
            stage.touch(os.path.getsize(source))
            begun = time.monotonic()
            run(["curl", "-sf", "-o", f"{work}/result", f"http://127.0.0.1:{port}/{name}"])
            wall = time.monotonic() - begun
            now = os.times()
            cpu = now.children_user + now.children_system - used.children_user \
                - used.children_system + cpu_seconds(nginx.pid) - before
            memory = memory_mib(nginx.pid)
        if not filecmp.cmp(f"{work}/result", source, shallow=False):
            raise Broken("curl: the result differs from its source")
    size = os.path.getsize(source)
    return {"rate": size / wall / 1e6, "cpu": cpu / (size / 2**30), "memory": memory}


def iperf(stage, *flags):
    """One TCP stream over the loopback for two seconds."""
    port = free_port()
    # A first connection only asks whether it listens, which ends a server of one test.
    with serving(["iperf3", "-s", "-B", "127.0.0.1", "-p", str(port)], port):
        time.sleep(0.1)
        out = run(["iperf3", "-c", "127.0.0.1", "-p", str(port), "-t", "2", "-J", *flags])
    return {"rate": json.loads(out)["end"]["sum_received"]["bits_per_second"] / 8e6}


def timed(work, size):
    begun = time.monotonic()
    work()
    return {"rate": size / (time.monotonic() - begun) / 1e6}


def copied():
    """A copy within memory that is there already and fits no cache."""
    source, target = bytearray(256 * MIB), bytearray(256 * MIB)
    target[:] = source
    return timed(lambda: memoryview(target).__setitem__(slice(None), source), 256 * MIB)


def written(stage, size):
    """Writing into new pages of a file in memory."""
    stage.touch(size)
    with stage.folder() as work, open(f"{work}/out", "wb", buffering=0) as out:
        return timed(lambda: [out.write(stage.pool) for _ in range(0, size, 16 * MIB)], size)


def duplicated(stage, source):
    stage.touch(os.path.getsize(source))
    with stage.folder() as work:
        return timed(lambda: run(["cp", source, f"{work}/out"]), os.path.getsize(source))


def hashed(kind):
    """One message at a time on one core, by OpenSSL."""
    out = run(["openssl", "speed", "-mr", "-seconds", "1", "-bytes", str(MIB), "-evp", kind])
    return {"rate": float(out.strip().rsplit(":", 1)[1]) / 1e6}


def section_limits(stage, report):
    """The limits of the machine."""
    mib = stage.options.size_mib
    source = stage.content(mib)
    cells = {"memcpy, 256 MiB": copied,
             f"write into new pages of /dev/shm, {mib} MiB": lambda: written(stage, mib * MIB),
             f"cp within /dev/shm, {mib} MiB": lambda: duplicated(stage, source)}
    if stage.has("iperf3"):
        cells["loopback, one TCP stream (iperf3)"] = lambda: iperf(stage)
        cells["loopback, one TCP stream by sendfile (iperf3 -Z)"] = lambda: iperf(stage, "-Z")
    if stage.has("openssl"):
        cells["SHA-1 on one core (openssl)"] = lambda: hashed("sha1")
        cells["SHA-256 on one core (openssl)"] = lambda: hashed("sha256")
    if stage.has("nginx") and stage.has("curl"):
        cells[f"curl from nginx by sendfile, {mib} MiB"] = lambda: curl(stage, source)
    report.section("limits", "What the machine can do")
    runs = stage.turns(cells)
    report.columns("limit", "MB/s")
    for name, results in runs.items():
        report.row(name, spread([result["rate"] for result in results]))
    absent = [name for name in ("iperf3", "openssl", "nginx", "curl") if not stage.has(name)]
    if absent:
        report.note(f"Not installed, so not measured: {', '.join(absent)}.")
