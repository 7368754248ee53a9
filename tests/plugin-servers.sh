# SPDX-License-Identifier: BSD-3-Clause
# Sourced by tests of the plugin v2v, after functions.sh: running it, and real
# servers for it to read from.  All is in the current directory, $tmp.

run_v2v () { timeout 60 "$V2V_BUILDDIR/run" nbdkit -U - v2v "$@"; }
same () {
    rm -f out.raw
    run_v2v "$@" --run 'nbdcopy $uri out.raw' && cmp a.raw out.raw
}
refused () {
    local reason=$1; shift
    if run_v2v "$@" --run 'nbdinfo $uri' >refused.out 2>&1; then
        cat refused.out; return 1
    fi
    grep -F -- "$reason" refused.out || { cat refused.out; return 1; }
}
free_port () {
    "$PYTHON_NBD" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
wait_port () {
    "$PYTHON_NBD" - $1 <<'PY'
import socket, sys, time
for i in range(200):
    try:
        socket.create_connection(('127.0.0.1', int(sys.argv[1]))).close()
        break
    except OSError:
        time.sleep(0.05)
else:
    sys.exit('nothing listens')
PY
}

# start_sshd: serves this host's files to root.  Sets port, ssh (the plugin's
# parameters) and url (of $tmp).
start_sshd () {
    command -v /usr/sbin/sshd >/dev/null && [ "$(id -u)" = 0 ] || return 1
    port=$(free_port)
    ssh-keygen -q -N '' -t ed25519 -f host
    ssh-keygen -q -N '' -t rsa -m PEM -f id
    printf '%s\n' "Port $port" 'ListenAddress 127.0.0.1' "HostKey $tmp/host" \
        "AuthorizedKeysFile $tmp/id.pub" 'StrictModes no' 'UsePAM no' \
        'PermitRootLogin yes' "PidFile $tmp/sshd.pid" \
        'Subsystem sftp internal-sftp' > sshd_config
    echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 host.pub)" > known
    mkdir -p /run/sshd
    /usr/sbin/sshd -D -f "$tmp/sshd_config" -E "$tmp/sshd.log" &
    cleanup_fn "kill $! 2>/dev/null"
    wait_port $port
    ssh=(known-hosts=known identity=id)
    url=ssh://root@127.0.0.1:$port$tmp
}

# start_https: serves the files of $tmp with ranges; /folder/... is a.raw, and
# wants the cookie of a login, which is good for 20 requests only.  Sets port;
# the certificate is cert.pem.
start_https () {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem \
        -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
        2>/dev/null
    cat > server.py <<'PY'
import base64, http.server, os, ssl, sys, threading
lock = threading.Lock()
left = {}
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def log_message(self, *a): pass
    def say(self, code, headers={}, body=b''):
        self.send_response(code)
        for k, v in headers.items(): self.send_header(k, v)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_HEAD(self): self.do_GET(False)
    def do_GET(self, body=True):
        with open('requests', 'a') as f: f.write(self.path + '\n')
        if self.path == '/login':
            want = 'Basic ' + base64.b64encode(b'me:se cret').decode()
            if self.headers.get('Authorization') != want:
                return self.say(401)
            with lock:
                c = 'session%d' % len(left)
                left[c] = 20
            open('logins', 'a').write(c + '\n')
            return self.say(200, {'Set-Cookie': 'key=' + c})
        if self.path.startswith('/folder'):
            c = (self.headers.get('Cookie') or '').replace('key=', '')
            with lock:
                ok = left.get(c, 0) > 0
                if ok: left[c] -= 1
            if not ok: return self.say(403)
            name = 'a.raw'
        else:
            name = self.path[1:].split('?')[0]
            if '/' in name or not os.path.exists(name):
                return self.say(404)
        data = open(name, 'rb').read()
        h = {'Accept-Ranges': 'bytes'}
        r = self.headers.get('Range')
        if not body:
            self.send_response(200)
            self.send_header('Accept-Ranges', 'bytes')
            self.send_header('Content-Length', str(len(data)))
            self.end_headers()
        elif r:
            a, b = r[6:].split('-')
            h['Content-Range'] = 'bytes %s-%s/%d' % (a, b, len(data))
            self.say(206, h, data[int(a):int(b) + 1])
        else:
            self.say(200, h, data)
s = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), H)
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
c.load_cert_chain('cert.pem', 'key.pem')
s.socket = c.wrap_socket(s.socket, server_side=True)
s.serve_forever()
PY
    port=$(free_port)
    "$PYTHON_NBD" server.py $port 2>server.log &
    cleanup_fn "kill $! 2>/dev/null"
    wait_port $port
}
