package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/editlock/editlock/wire"
)

// unhurried leaves a program what it holds without a renewal, for as long as it takes to run a dozen commands on a loaded machine.
const unhurried = "--ttl=300s"

// acquire lets a program hold a resource.
func (s *service) acquire(t *testing.T, token, resource string) *wire.Granted {
	t.Helper()
	g := new(wire.Granted)
	if status := s.ask(t, token, "acquire", wire.AcquireCall{Resource: resource}, g); status != 200 {
		t.Fatalf("acquire: %d", status)
	}
	return g
}

// Who may edit a resource sees it, held or free, without a right to what might be below it; who may see nothing of it is refused.
func TestLsWithTheUsualRight(t *testing.T) {
	s := serve(t, unhurried)
	ana := mint(t, "--sub=7", "--name=Ana", "--right=edit:article/*")
	s.acquire(t, ana, "article/70")
	for name, c := range map[string]struct {
		right string
		args  []string
		code  int
		want  string // in what is printed, or else in the error
	}{
		"held":              {"edit:article/*", []string{"article/70"}, 0, "article/70  Ana (7)  "},
		"held, for machine": {"edit:article/*", []string{"article/70", "--json"}, 0, `{"resource":"article/70",`},
		"free":              {"edit:article/*", []string{"article/71"}, 0, "Nothing is held or waited for.\n"},
		"what is below":     {"watch:article/70/**", []string{"article/70"}, 0, "Nothing is held or waited for.\n"},
		"of others":         {"edit:page/*", []string{"article/70"}, 4, "watch:article/70/**"},
		"below alone":       {"edit:article/*", []string{"article/70/"}, 4, "watch:article/70/**"},
	} {
		status, stdout, stderr := run(t, s.remote(mint(t, "--sub=8", "--right="+c.right)), append([]string{"ls"}, c.args...)...)
		if said := stdout + stderr; status != c.code || !strings.Contains(said, c.want) || (c.code == 0) != (stderr == "") || (c.code == 0) == (stdout == "") {
			t.Errorf("%s: %d, %q, %q", name, status, stdout, stderr)
		}
	}
}

// Whoever reads a long list is shown what came before it broke off.
func TestListBreaksOff(t *testing.T) {
	s := serve(t, unhurried)
	ana := mint(t, "--sub=7", "--name=Ana", "--right=edit:article/*", "--right=watch:**")
	for _, name := range []string{"article/1", "article/2"} {
		s.acquire(t, ana, name)
	}
	ended := s.acquire(t, ana, "article/3")
	if status := s.ask(t, ana, "release", wire.ReleaseCall{Session: ended.Session, Resource: "article/3", Fence: ended.Fence}, new(wire.Standing)); status != 200 {
		t.Fatal(status)
	}
	// A proxy that makes small pages, and loses the server after the first.
	target, err := url.Parse("http://" + s.addr)
	if err != nil {
		t.Fatal(err)
	}
	through := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		q := r.Out.URL.Query()
		q.Set("limit", "1")
		r.Out.URL.RawQuery = q.Encode()
	}}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("cursor") {
			http.Error(w, "bad gateway", http.StatusBadGateway)
			return
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	env := []string{"EDITLOCK_SERVER=" + proxy.URL + "/editlock", "EDITLOCK_TOKEN=" + ana, "TZ=UTC"}
	for _, c := range []struct {
		args []string
		want string
	}{{[]string{"ls"}, "article/1  Ana (7)"}, {[]string{"history", "article/3"}, "Ana (7) holds"}} {
		status, stdout, stderr := run(t, env, c.args...)
		if status != 5 || strings.Count(stdout, "\n") != 2 || !strings.Contains(stdout, c.want) || !strings.Contains(stderr, "502") {
			t.Errorf("%s: %d\n%s%s", c.args, status, stdout, stderr)
		}
	}
}

// To end another's hold takes the right and a reason, also where nobody holds; and the log says that a hold was ended only where one was.
func TestReleaseAsksForRightAndReason(t *testing.T) {
	s := serve(t, unhurried)
	ana := mint(t, "--sub=7", "--name=Ana", "--right=edit:article/*")
	boss := s.remote(mint(t, "--sub=9", "--name=The boss", "--right=administer:article/*"))
	g := s.acquire(t, ana, "article/1")
	fence := "--fence=" + strconv.FormatInt(g.Fence, 10)
	for _, c := range []struct {
		env  []string
		args []string
		code int
		want string
	}{
		{s.remote(ana), []string{"article/1", "--reason=mine"}, 4, "administer"},
		{s.remote(ana), []string{"article/2", "--reason=mine"}, 4, "administer"},
		{boss, []string{"article/1", "--reason= \t "}, 2, "--reason"},
		{boss, []string{"article/2", "--reason="}, 2, "--reason"},
		{boss, []string{"article/2", "--reason=" + strings.Repeat("x", 257)}, 2, "--reason"},
		{boss, []string{"article/2", "--reason= " + strings.Repeat("x", 256) + " "}, 0, "article/2: nobody holds it.\n"},
		{boss, []string{"article/2", "--reason=none", "--json"}, 0, `"state":"free"`},
		{boss, []string{"article/1", "--reason=mistyped", "--fence=99"}, 0, "article/1: there is no such hold. Ana (7) holds it now.\n"},
		{boss, []string{"article/1", "--reason=she is on holiday"}, 0, "article/1: Ana (7) does not hold it any more.\n"},
		{boss, []string{"article/1", "--reason=once more", fence}, 0, "article/1: The holder does not hold it any more.\n"},
	} {
		status, stdout, stderr := run(t, c.env, append([]string{"release"}, c.args...)...)
		if status != c.code || !strings.Contains(stdout+stderr, c.want) || (c.code == 0) != (stderr == "") {
			t.Errorf("%s: %d, %q, %q", c.args, status, stdout, stderr)
		}
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.wait(t)
	type line struct {
		Msg, Resource, By, Why string
		Fence                  int64
	}
	var ended []line
	for text := range strings.Lines(s.said()) {
		var l line
		if json.Unmarshal([]byte(text), &l) == nil && strings.Contains(l.Msg, "ended by an administrator") {
			ended = append(ended, l)
		}
	}
	if len(ended) != 1 || ended[0].Resource != "article/1" || ended[0].Fence != g.Fence || ended[0].By != "9" || ended[0].Why != "she is on holiday" {
		t.Errorf("the log: %+v", ended)
	}
}
