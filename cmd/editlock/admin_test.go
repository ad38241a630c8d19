package main

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/editlock/editlock/wire"
)

var adminAddr = regexp.MustCompile(`"msg":"listening for operators","admin":"([^"]+)"`)

// admin is the address of the listener for operators, which is up before the server listens for pages.
func (s *service) admin(t *testing.T) string {
	t.Helper()
	m := adminAddr.FindStringSubmatch(s.said())
	if m == nil {
		t.Fatalf("no listener for operators:\n%s", s.said())
	}
	return m[1]
}

// get asks for a URL, with headers of the form "Name: value".
func get(t *testing.T, url string, headers ...string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if req.Header.Set(name, value); name == "Host" {
			req.Host = value
		}
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// Operators get it all from their listener, and pages none of it from theirs.
func TestOperatorsHaveAListenerOfTheirOwn(t *testing.T) {
	s := serve(t, "--admin-listen=127.0.0.1:0")
	admin := "http://" + s.admin(t)
	for path, says := range map[string]string{
		"/metrics":                         "editlock_grants_total 0\n",
		"/healthz":                         "ok",
		"/readyz":                          "ok",
		"/debug/pprof/":                    "goroutine",
		"/debug/pprof/goroutine?debug=1":   "goroutine profile",
		"/debug/pprof/heap?debug=1":        "heap profile",
		"/debug/pprof/cmdline":             "serve",
		"/debug/pprof/profile?seconds=1":   "",
		"/debug/pprof/trace?seconds=0.1":   "",
		"/debug/pprof/symbol?0x1000000000": "num_symbols",
	} {
		if status, body := get(t, admin+path); status != http.StatusOK || !strings.Contains(body, says) {
			t.Errorf("%s: %d\n%.300s", path, status, body)
		}
		if strings.HasSuffix(path, "z") {
			continue
		}
		for _, base := range []string{"", "/editlock", "/editlock/v1"} {
			if status, body := get(t, "http://"+s.addr+base+path); status != http.StatusNotFound {
				t.Errorf("the public listener answers %s%s with %d\n%.300s", base, path, status, body)
			}
		}
	}
	if status, _ := get(t, admin+"/editlock/v1/socket"); status != http.StatusNotFound {
		t.Errorf("pages may connect to the listener for operators: %d", status)
	}
	_, text := get(t, admin+"/metrics")
	for _, name := range []string{"go_goroutines", "process_open_fds", "editlock_build_info", `editlock_store_duration_seconds_count{call="apply"}`} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("/metrics has no %s", name)
		}
	}
}

// A page of another site that makes a browser on this machine ask gets nothing, whatever name it gave to the loopback.
func TestListenerForOperatorsKnowsItsCallers(t *testing.T) {
	s := serve(t, "--admin-listen=127.0.0.1:0")
	admin := s.admin(t)
	_, port, _ := strings.Cut(admin, ":")
	for _, c := range []struct {
		header string
		want   int
	}{
		{"Host: " + admin, 200}, {"Host: localhost:" + port, 200}, {"Host: [::1]:" + port, 200}, {"Host: [::1]", 200}, {"Sec-Fetch-Site: none", 200},
		{"Host: rebound.example:" + port, 403}, {"Host: 192.0.2.1", 403}, {"Host: localhost.example", 403},
		{"Sec-Fetch-Site: cross-site", 403}, {"Sec-Fetch-Site: same-site", 403},
	} {
		if status, _ := get(t, "http://"+admin+"/metrics", c.header); status != c.want {
			t.Errorf("%s: %d, want %d", c.header, status, c.want)
		}
	}
}

func TestListenerForOperatorsStaysOnThisMachine(t *testing.T) {
	env := []string{testKey, testSigning}
	for args, says := range map[string]string{
		"--admin-listen=:0":              "--admin-anywhere",
		"--admin-listen=0.0.0.0:0":       "--admin-anywhere",
		"--admin-listen=[::]:0":          "--admin-anywhere",
		"--admin-listen=8421":            "127.0.0.1:8421",
		"--admin-listen=127.0.0.1:99999": "127.0.0.1:8421",
		"--admin-anywhere":               "--admin-listen",
	} {
		status, _, stderr := run(t, env, "serve", "--listen=127.0.0.1:0", "--store=sqlite:"+t.TempDir()+"/locks.db", args)
		if status != exitUsage || !strings.Contains(stderr, says) {
			t.Errorf("%s: status %d, and it does not say %s:\n%s", args, status, says, stderr)
		}
	}
	s := serve(t, "--admin-listen=:0", "--admin-anywhere")
	addr := s.admin(t)
	if status, _ := get(t, "http://127.0.0.1"+addr[strings.LastIndexByte(addr, ':'):]+"/metrics", "Host: editlock.internal"); status != http.StatusOK {
		t.Errorf("with --admin-anywhere: %d", status)
	}
}

// While it drains operators see that it does, until the last page has gone.
func TestOperatorsSeeTheEnd(t *testing.T) {
	t.Parallel()
	s := serve(t, "--admin-listen=127.0.0.1:0", "--drain=30s")
	p := open(t, s)
	next[*wire.Welcome](t, p, hello(mint(t, "--sub=7", "--name=Ana", "--right=edit:article/*")))
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	admin := "http://" + s.admin(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for status := 0; status != http.StatusServiceUnavailable; {
		if status, _ = get(t, admin+"/readyz"); ctx.Err() != nil {
			t.Fatalf("still ready: %d", status)
		}
	}
	if _, text := get(t, admin+"/metrics"); !strings.Contains(text, "\neditlock_node_draining 1\n") {
		t.Error("the metrics do not say that it drains")
	}
	_ = p.conn.NetConn().Close()
	if state := s.wait(t); state.ExitCode() != 0 {
		t.Errorf("ended with %d", state.ExitCode())
	}
}
