"""The nginx that is measured, and the one that stands for Gate."""

import http.client
import os
import shutil
import socket
import subprocess

from benchlib import bodies


class Failed(Exception):
    """nginx does not start, or does not do what is to be measured."""


CONFIGURATION = """
{load}
daemon off;
worker_processes 1;
pid {dir}/{name}.pid;
error_log {dir}/{name}.log warn;
{user}

events {{
    worker_connections 1024;
}}

http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    scgi_temp_path {dir}/scgi;
    uwsgi_temp_path {dir}/uwsgi;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
{http}
}}
"""

GATE = """
    server {{
        listen unix:{dir}/gate.sock;
        default_type application/json;

        location / {{
            return 200 '{answer}';
        }}
    }}
"""

ANSWER = ('{"status":"success","request_id":"f2a90b71c3d84e5560a1",'
          '"project_id":1234,"payment_id":"payout-000000000","code":"0"}')

GATEWAY = """
    upstream gate {{
        server unix:{dir}/gate.sock;
        keepalive 128;
        keepalive_requests 1000000000;
    }}

    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host api.example.com;

    gate_zone gate 1m;

    gate_project bench {{
        id {project_id};
        secret_file {dir}/bench.key;
    }}
"""

REDIS = """
    gate_redis unix:{redis} timeout={timeout};
"""

SERVER = """
    server {{
        listen 127.0.0.1:{port};

        location / {{
            {directives}
            proxy_pass http://gate;
        }}

        location = /pid {{
            return 200 $pid;
        }}

        location = /mark {{
            gate_status;
        }}
    }}
"""

# what a mode adds to a location; those with Redis have an nginx of their own,
# as a callback is always settled where there is one

MODES = {
    "plain payout": "",
    "plain callback": "",
    "sign": "gate_sign bench;",
    "verify": "gate_verify bench;",
}

REDIS_MODES = {
    "limits": "gate_sign bench; gate_limits on;",
    "settle": "gate_verify bench;",
}


class Nginx:
    """A running nginx.  Its sockets listen before it starts, and it inherits
    them: whoever connects is served as soon as it is there."""

    def __init__(self, directory, name, text, sockets, how, tool=()):
        path = os.path.join(directory, name + ".conf")
        binary = os.environ.get("NGINX") or shutil.which("nginx") \
            or "/usr/sbin/nginx"
        inherited = "".join("%d;" % s.fileno() for s in sockets)

        with open(path, "w") as f:
            f.write(text)

        self.log = os.path.join(directory, name + ".log")
        how["env"]["NGINX"] = inherited

        self.process = subprocess.Popen(
            [*tool, binary, "-c", path, "-e", self.log],
            pass_fds=[s.fileno() for s in sockets], **how)

        for s in sockets:
            s.close()

    def stop(self):
        self.process.terminate()
        self.process.wait()


def _configuration(directory, name, load, http):
    user = "user root;" if os.getuid() == 0 else ""

    return CONFIGURATION.format(dir=directory, name=name, load=load,
                                user=user, http=http)


def _unix_socket(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(511)
    return s


def _tcp_socket():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    s.listen(511)
    return s


class Gateway:
    """The gateways with a server for each mode, and what is behind them."""

    TIMEOUT = "1s"      # of Redis

    def __init__(self, directory, processors, module, redis):
        self.directory = directory
        self.processors = processors
        self.redis = redis
        self.module = os.path.join(directory, "module.so")
        self.ports = {}
        self.workers = {}
        self.running = []

        # a build that replaces the file must not disturb who has mapped it

        try:
            shutil.copyfile(module, self.module)
        except OSError as e:
            raise Failed(e)

    def __enter__(self):
        try:
            self._write_key()
            self._start_gate()
            self._start("gateway", MODES, "")
            self._start("gateway-redis", REDIS_MODES,
                        REDIS.format(redis=self.redis.path,
                                     timeout=self.TIMEOUT))
        except BaseException:
            self.__exit__()
            raise

        return self

    def __exit__(self, *_):
        for nginx in self.running:
            nginx.stop()

    def _write_key(self):
        path = os.path.join(self.directory, "bench.key")

        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as f:
            f.write(bodies.KEY)

    def _start_gate(self):
        listener = _unix_socket(self.directory + "/gate.sock")
        text = _configuration(self.directory, "gate", "",
                              GATE.format(dir=self.directory, answer=ANSWER))

        self.running.append(Nginx(self.directory, "gate", text, [listener],
                                  self.processors.peer()))

    def _start(self, name, modes, extra):
        sockets = []
        http = extra + GATEWAY.format(dir=self.directory,
                                      project_id=bodies.PROJECT_ID)

        for mode, directives in modes.items():
            s = _tcp_socket()
            sockets.append(s)
            self.ports[mode] = s.getsockname()[1]
            http += SERVER.format(port=self.ports[mode],
                                  directives=directives)

        text = _configuration(self.directory, name,
                              "load_module %s;" % self.module,
                              http)

        self.running.append(Nginx(self.directory, name, text, sockets,
                                  self.processors.measured(),
                                  self._tool(name)))

        for mode in modes:
            self.workers[mode] = int(self._get(mode, "/pid"))

    def _tool(self, _name):
        """What a gateway is run under."""
        return ()

    def url(self, mode):
        return "http://127.0.0.1:%d%s" % (self.ports[mode.name],
                                          mode.body.path)

    def _get(self, mode, path):
        return self._request(mode, "GET", path, None)[1]

    def _request(self, mode, method, path, text):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[mode],
                                                timeout=30)
        try:
            connection.request(method, path, text,
                               {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as e:
            with open(self.running[-1].log) as f:
                raise Failed("no answer from nginx: %s\n%s" % (e, f.read()))
        finally:
            connection.close()

    def check(self):
        """Every mode takes what is right, and only plain ones what is not."""
        forged = bodies.CALLBACK.text.replace("success", "decline", 1)
        unread = bodies.PAYOUT.text[:-1]

        for mode in self.ports:
            body = bodies.PAYOUT
            wrong, refusal = unread, 422

            if mode in ("verify", "settle", "plain callback"):
                body = bodies.CALLBACK
                wrong, refusal = forged, 403

            if mode.startswith("plain"):
                refusal = 200

            self._expect(mode, body.path, body.text, 200)
            self._expect(mode, body.path, wrong, refusal)

    def send(self, mode, body):
        """One that is taken."""
        self._expect(mode, body.path, body.text, 200)

    def _expect(self, mode, path, text, wanted):
        status, answer = self._request(mode, "POST", path, text)

        if status != wanted:
            raise Failed("%s: %d instead of %d: %s" %
                         (mode, status, wanted, answer.decode("utf-8")))
