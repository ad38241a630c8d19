package web_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/editlock/editlock/server"
)

// nginx puts a real nginx before the site: locations are what its configuration says of /editlock/v1/.
func (s *site) nginx(locations string) {
	s.t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // where Debian has it, in no user's path
	}
	if _, err := os.Stat(program); err != nil {
		s.t.Fatal("nginx is missing; bash scripts/setup installs it")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	dir := s.t.TempDir()
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // or it would work as somebody who may not enter the directory
	}
	conf := fmt.Sprintf(`daemon off;
worker_processes 1;
%[5]s
pid %[1]s/pid;
error_log stderr error;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	server {
		listen %[2]s;
		location / { proxy_pass %[3]s; proxy_set_header Host $http_host; }
		%[4]s
	}
}
`, dir, l.Addr(), s.url, strings.ReplaceAll(locations, "UPSTREAM", "proxy_pass "+s.url+"; proxy_set_header Host $http_host;"), user)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(program, "-p", dir, "-c", file, "-e", "stderr")
	cmd.Stderr = s.t.Output()
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Env = append(os.Environ(), "NGINX=3;") // the socket is open already: nobody has to wait, or to guess a port
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	s.url = "http://" + l.Addr().String()
}

const upgrades = `UPSTREAM proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;`

// Behind real proxies of all kinds: the one who waits is let in with what was saved, and a page that is loaded again goes on.
// Faults: W6
func TestFallbackBehindNginx(t *testing.T) {
	if way != "" {
		t.Fatal("this one has its own ways")
	}
	for _, proxy := range []struct{ name, locations, way string }{
		{"passes WebSockets on", `location /editlock/v1/socket { ` + upgrades + ` }`, "websocket"},
		{"refuses the upgrade", `location /editlock/v1/socket { return 426; }`, "stream"},
		{"refuses the upgrade as a bad request", `location /editlock/v1/socket { return 400; }`, "stream"},
		{"takes the upgrade away, as by default", ``, "stream"},
		{"keeps answers back", `location /editlock/v1/ { UPSTREAM proxy_buffering on; proxy_ignore_headers X-Accel-Buffering; }`, "poll"},
	} {
		t.Run(proxy.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 30*time.Second)
			s.nginx(proxy.locations)
			ana := s.visit("Ana", "held")
			ben := s.visit("Ben", "waiting")
			for _, tab := range []string{ana.Text(wayNow), ben.Text(wayNow)} {
				if tab != proxy.way {
					t.Errorf("connected by %s, want %s", tab, proxy.way)
				}
			}
			before := s.lockOf(ana)
			ana.Eval(`void (window.old = true)`)
			ana.Reload()
			ana.Wait(`!window.old && ` + is("held"))
			if after := s.lockOf(ana); after.Session != before.Session || after.Fence != before.Fence {
				t.Errorf("session %s with fence %d, was %s with %d", after.Session, after.Fence, before.Session, before.Fence)
			}
			replaceText(ana, "Ana saved this.")
			ana.Click(`document.querySelector("[data-edit-lock-done]")`)
			ben.Wait(is("held"))
			if text := ben.Text(textarea + `.value`); text != "Ana saved this." {
				t.Errorf("let in with %q", text)
			}
		})
	}
}

// A proxy cuts what is idle for a while (60 s is usual, before heartbeats of 7.5 s; here all is faster): it never is.
// Faults: W5
func TestNeverIdle(t *testing.T) {
	if way != "" {
		t.Fatal("this one has its own ways")
	}
	const idle = ` proxy_read_timeout 2s; proxy_send_timeout 2s; `
	often := func(o *server.Options) { o.Heartbeat, o.PongTimeout = 250*time.Millisecond, 7*time.Second }
	for _, proxy := range []struct{ way, locations string }{
		{"websocket", `location /editlock/v1/socket { ` + upgrades + idle + ` }`},
		{"stream", `location /editlock/v1/ { UPSTREAM` + idle + ` }`},
		{"poll", `location /editlock/v1/ { UPSTREAM proxy_ignore_headers X-Accel-Buffering;` + idle + ` }`},
	} {
		t.Run(proxy.way, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 30*time.Second, often)
			s.nginx(proxy.locations)
			tab := chrome.Page(t)
			if proxy.way == "poll" { // to find that out takes longer than this proxy waits
				tab.BeforeScripts(`sessionStorage["editlock way " + location.origin + "/editlock"] = '{"way":"poll","until":1e15,"wait":1e9}'`)
			}
			tab.Open(s.url + "/article?as=Ana")
			tab.Wait(is("held"))
			if got := tab.Text(wayNow); got != proxy.way {
				t.Fatalf("connected by %s", got)
			}
			const link = lock + `.client.connection.current`
			tab.Eval(`void (window.link = ` + link + `, window.since = link.heard.mono)`)
			tab.Wait(link + ` !== link || link.heard.mono > since + 7`)
			if tab.Eval(link+` === link`) != true {
				t.Error("the connection was cut")
			}
		})
	}
}
