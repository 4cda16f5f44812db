#!/usr/bin/env python3
"""Counts what reading and editing headers adds to a request, in instructions of a whole Envoy.

  ENVOY=path/to/envoy benches/header_access.py sluicegate=ours.wasm [proxy-wasm=theirs.wasm …] [--jobs 'add 5,get-absent 1'] [--json FILE]

The modules are `guests/edits`, whose jobs `src/jobs.rs` lists:

  cargo build -p guest-edits --target wasm32-wasip1 --profile guest --features alloc-freelist

Envoy, one worker, runs under valgrind's callgrind (install the package `valgrind`), which counts instructions, those of V8's code included. So the figures
do not depend on the machine's load or clock: they repeat to about 0.2 %, for one build of Envoy and one kind of processor.

Each job has a listener and a plugin of its own; all plugins of a module share a VM. A job is warmed up uninstrumented, so that V8 has compiled it with its
optimising compiler. Then windows of so many requests over one connection are counted, and the smallest count is printed. Timers of the proxy fall into some
windows, the more the slower the machine is. So a window is short, and there are many.
"""

import argparse
import glob
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

JOBS = (
    ["nothing"]
    + [f"{kind} {count}" for kind in ("add", "replace") for count in (1, 2, 5, 20)]
    + [f"{kind}-{what} {count}" for kind in ("get", "snapshot") for what in ("present", "absent") for count in (1, 2, 5, 20)]
    + [f"edit-then-{what} {count}" for what in ("get", "snapshot") for count in (1, 5, 20)]
    + ["cycle 20", "batch 20", "add-long 50", "add-long 400"]
)
# With `host` and what Envoy adds these are 25 headers.
HEADERS = {f"x-custom-header-{number}": f"some-value-that-is-rather-long-{number}" for number in range(20)}

ENVOY = """
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}}}
static_resources:
  listeners:
{listeners}
"""
LISTENER = """
  - name: "{name}"
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          route_config:
            virtual_hosts: [{{name: all, domains: ["*"], routes: [{{match: {{prefix: "/"}}, direct_response: {{status: 200}}}}]}}]
          http_filters:
{filter}
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
"""
FILTER = """
          - name: envoy.filters.http.wasm
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: "{name}"
                root_id: "{name}"
                vm_config: {{vm_id: one, runtime: envoy.wasm.runtime.v8, code: {{local: {{filename: "{module}"}}}}}}
                configuration: {{"@type": type.googleapis.com/google.protobuf.StringValue, value: "{name}"}}
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(port, process, log):
    for _ in range(600):
        if process.poll() is not None:
            sys.exit("Envoy has ended: " + open(log).read()[-2000:])
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.5)
    sys.exit("Envoy does not listen")


def count(module, jobs, warm, requests, windows):
    """Returns the instructions of a request for each job, in a proxy with this module; `None` is no filter."""
    folder = tempfile.mkdtemp(prefix="header-access-")
    ports = free_ports(len(jobs))
    listeners = "".join(
        LISTENER.format(name=job, port=port, filter=FILTER.format(name=job, module=os.path.abspath(module)) if module else "")
        for job, port in zip(jobs, ports)
    )
    with open(f"{folder}/envoy.yaml", "w") as file:
        file.write(ENVOY.format(listeners=listeners))
    command = ["valgrind", "--tool=callgrind", "--smc-check=all-non-file", "--instr-atstart=no"]
    command += [f"--callgrind-out-file={folder}/out", os.environ.get("ENVOY", "envoy"), "-c", f"{folder}/envoy.yaml"]
    command += ["--concurrency", "1", "-l", "error", "--disable-hot-restart"]
    with open(f"{folder}/log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    control = lambda *options: subprocess.run(["callgrind_control", *options, str(process.pid)], capture_output=True, check=False)
    counts = {}
    try:
        wait_for(ports[-1], process, f"{folder}/log")
        for job, port in zip(jobs, ports):
            connection = http.client.HTTPConnection("127.0.0.1", port)

            def send(times):
                for _ in range(times):
                    connection.request("GET", "/", headers=HEADERS)
                    response = connection.getresponse()
                    response.read()
                    assert response.status == 200, (job, response.status, open(f"{folder}/log").read()[-2000:])

            send(warm)
            control("-i", "on")
            send(5)
            control("-z")
            before = set(glob.glob(f"{folder}/out.*"))
            for _ in range(windows):
                send(requests)
                control("-d")
            control("-i", "off")
            time.sleep(0.2)
            # Dumps in which nothing was counted are of threads or of the end.
            dumps = sorted(set(glob.glob(f"{folder}/out.*")) - before)
            totals = [int(line.split()[1]) for dump in dumps for line in open(dump, errors="replace") if line.startswith("totals:")]
            counted = sorted(total / requests for total in totals if total)
            counts[job] = counted[0]
            middle = counted[len(counted) // 2]
            print(f"  {job:22} {counts[job]:10.0f}  (median {middle:.0f}, largest {counted[-1]:.0f})", file=sys.stderr, flush=True)
            connection.close()
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="+", metavar="NAME=MODULE.wasm")
    parser.add_argument("--jobs", default=",".join(JOBS), help="some of the jobs, with commas between them")
    parser.add_argument("--warm", type=int, default=2500, help="requests before a job is counted")
    parser.add_argument("-n", type=int, default=25, help="requests in a window")
    parser.add_argument("--windows", type=int, default=12, help="windows that are counted for each job")
    parser.add_argument("--json", help="a file for the counts")
    options = parser.parse_args()
    for program in ("valgrind", "callgrind_control", os.environ.get("ENVOY", "envoy")):
        if shutil.which(program) is None:
            sys.exit(f"`{program}` is not there: install valgrind, and name Envoy by the variable ENVOY")
    jobs = options.jobs.split(",")
    print("no filter", file=sys.stderr)
    base = count(None, ["nothing"], options.warm, options.n, options.windows)["nothing"]
    rows = {}
    for module in options.modules:
        name, _, path = module.partition("=")
        if not os.path.isfile(path):
            sys.exit(f"{module}: no such module")
        print(name, file=sys.stderr)
        rows[name] = count(path, jobs, options.warm, options.n, options.windows)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"none": base, **rows}, file, indent=1)
    print(f"A request without a filter: {base:,.0f} instructions. Added by the filter:\n")
    print("| job | " + " | ".join(rows) + " |")
    print("|---|" + "---:|" * len(rows))
    for job in jobs:
        print(f"| {job} | " + " | ".join(f"{counts[job] - base:,.0f}" for counts in rows.values()) + " |")


if __name__ == "__main__":
    main()
