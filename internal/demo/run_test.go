package demo

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"
)

// start runs the demo, and returns the address of its page and the supervisor's own view.
func start(t *testing.T) (url string, s *supervisor) {
	t.Helper()
	url, s, _ = startAt(t, listen(t))
	return url, s
}

// startAt runs the demo at a listener, until it is stopped or the test ends.
func startAt(t *testing.T, listener net.Listener) (url string, s *supervisor, stop func()) {
	t.Helper()
	ready, ended := make(chan string, 1), make(chan error, 1)
	o := Options{
		Dir: t.TempDir(), TTL: 10 * time.Second, Pause: 200 * time.Millisecond,
		Log: slog.New(slog.DiscardHandler), Ready: func(url string) { ready <- url },
	}
	s, err := newSupervisor(o, listener.Addr())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { ended <- s.run(ctx, listener) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	select {
	case url := <-ready:
		return url, s, stop
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	case <-time.After(soon):
		t.Fatal("the servers do not answer")
	}
	panic("unreachable")
}

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(soon)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func post(t *testing.T, url, body string, header ...string) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(text)
}

func TestURL(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080/", "[::1]:80": "http://[::1]:80/", "0.0.0.0:8080": "http://localhost:8080/", "[::]:1": "http://localhost:1/",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := urlOf(tcp); got != want {
			t.Errorf("%s: %s", addr, got)
		}
	}
}

func (s *supervisor) pid(side string) int {
	p := s.servers[side]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.child == nil {
		return 0
	}
	return p.child.Pid
}

// Faults: N1
func TestServersAreReallyKilledAndStartedAgain(t *testing.T) {
	url, s := start(t)
	// Ana edits on the usual side: a real connection, through her link.
	socket, _, err := gws.NewClient(&gws.BuiltinEventHandler{}, &gws.ClientOption{
		Addr: "ws://" + s.links[usualSide]["Ana"].listener.Addr().String() + "/ws?user=Ana",
	})
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() { socket.ReadLoop(); close(closed) }()
	if err := socket.WriteString(`{"action":"subscribe_instance","pk":42}`); err != nil {
		t.Fatal(err)
	}
	holder := func() string {
		s.referee.mu.Lock()
		defer s.referee.mu.Unlock()
		return s.referee.facts[usualSide].Holder
	}
	await(t, "Ana holds", func() bool { return holder() == "Ana" })

	usual, editlock := s.pid(usualSide), s.pid(editlockSide)
	if status, text := post(t, url+"demo/control", `{"action":"kill"}`); status != http.StatusNoContent {
		t.Fatal(status, text)
	}
	select {
	case <-closed:
	case <-time.After(soon):
		t.Fatal("Ana's connection outlives the server")
	}
	await(t, "both are back", func() bool {
		a, b := s.servers[usualSide].life(), s.servers[editlockSide].life()
		return a.up && b.up && a.starts == 2 && b.starts == 2
	})
	if s.pid(usualSide) == usual || s.pid(editlockSide) == editlock {
		t.Fatal("the same processes")
	}
	if holder() != "Ana" {
		t.Fatal("the usual design's row was cleared by a kill")
	}
	await(t, "the articles answer", func() bool {
		a, err := http.Get(url + "api/articles/42")
		if err != nil {
			return false
		}
		_ = a.Body.Close()
		return a.StatusCode == http.StatusOK
	})
	// Only by hand.
	if status, text := post(t, url+"demo/control", `{"action":"clear"}`); status != http.StatusNoContent {
		t.Fatal(status, text)
	}
	await(t, "cleared by hand", func() bool { return holder() == "" })
}

// However the demo ends, its servers end: their standard input does.
func TestServersEndWithTheDemo(t *testing.T) {
	for _, side := range []string{usualSide, editlockSide} {
		t.Run(side, func(t *testing.T) {
			program, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, ChildCommand, side, t.TempDir(), "10s")
			cmd.Env = append(os.Environ(), childEnv+"=1")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			_ = in.Close()
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case err := <-ended:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(soon):
				t.Fatal("it goes on alone")
			}
		})
	}
}

func TestChildRefusesWhatIsNotItsOwn(t *testing.T) {
	for _, args := range [][]string{nil, {"x"}, {t.TempDir(), "long"}, {t.TempDir(), "10s"}} {
		if err := Child(t.Context(), "other", args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

// Faults: A7
func TestControlIsForTheSameOriginOnly(t *testing.T) {
	url, s := start(t)
	pid := s.pid(editlockSide)
	for _, path := range []string{"demo/control", "demo/tab"} {
		for _, header := range [][]string{
			{"Origin", "http://elsewhere.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "null"},
		} {
			if status, text := post(t, url+path, `{"action":"kill"}`, header...); status != http.StatusForbidden {
				t.Errorf("%s %v: %d %s", path, header, status, text)
			}
		}
	}
	if status, _ := post(t, url+"demo/control", `{"action":"dance"}`, "Origin", strings.TrimSuffix(url, "/")); status != http.StatusBadRequest {
		t.Error("an unknown action was done")
	}
	if status, _ := post(t, url+"demo/tab", `{"tab":"x","side":"usual","person":"Eve"}`); status != http.StatusBadRequest {
		t.Error("a tab of nobody was taken")
	}
	if status, _ := post(t, url+"demo/control", `{`); status != http.StatusBadRequest {
		t.Error("half a message was taken")
	}
	if s.pid(editlockSide) != pid {
		t.Error("the server was killed from elsewhere")
	}
}
