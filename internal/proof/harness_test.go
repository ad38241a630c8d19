package proof

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/internal/swarm"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store/sqlite"
	"github.com/editlock/editlock/wire"
)

const (
	accessSecret  = "NLBzPSjXVcXwc1YDYJPeJ6pXWm2q0w8iT5E7vRr1uGkHcZ0fQyLb9mDaSx3oKtVn"
	signingSecret = "qT7mVw2kXzB4nJ8sRfY1cH6gLpD0aEu9QiZ3xWvKtMoN5bGyUjSrCdPhFeAlOi0x"
	patience      = 4 * time.Minute // for what must come, on however loaded a machine
)

// scratch is removed when the tests have ended.
var scratch string

// program builds the real binary, once.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "editlock")
	build := exec.Command("go", "build", "-o", path, "github.com/editlock/editlock/cmd/editlock")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if url := os.Getenv(hostURL); url != "" {
		beHost(url)
	}
	var err error
	if scratch, err = os.MkdirTemp("", "editlock-proof-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(status)
}

func key(id, secret string) *wire.Key {
	k, err := wire.ParseKey(id, []byte(secret))
	if err != nil {
		panic(err)
	}
	return k
}

// token is an access token for a user who may edit everything.
func token(user string) string {
	s, err := key("", accessSecret).Sign("JWT", map[string]any{
		"sub": user, "name": strings.ToUpper(user[:1]) + user[1:], "rights": []string{"edit:**"},
		"iss": "app", "aud": "editlock", "exp": time.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		panic(err)
	}
	return s
}

// within is a context for what must happen in time.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// inProcess serves from this process, over real sockets and a real data file, with room for a swarm.
func inProcess(t testing.TB, cfg editlock.Config) (url string, m *editlock.Manager) {
	t.Helper()
	st, err := sqlite.Open(filepath.Join(t.TempDir(), "locks.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	m, err = editlock.Open(context.Background(), st, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(m, server.Options{
		Access:  server.Access{Keys: wire.Keys{key("", accessSecret)}, Issuer: "app", Audience: "editlock"},
		LockKey: key("", signingSecret), Rate: 10_000, Burst: 10_000, MaxPerUser: 10_000, MaxPerAddress: 19_000,
		HandshakeRate: 100_000, DrainTime: time.Second, Logger: cfg.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Drain(context.Background())
		h.Close()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return h.URL, m
}

// open opens a page.
func open(t testing.TB, url, user string) *swarm.Page {
	t.Helper()
	p, err := swarm.Open(within(t), url, token(user))
	if err != nil {
		t.Fatalf("%s connects: %v", user, err)
	}
	t.Cleanup(p.Drop)
	return p
}

// service is `editlock serve` as a process, which may be killed and started again on the same data and address.
type service struct {
	t    testing.TB
	data string
	args []string
	addr string

	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	log  bytes.Buffer
}

func serve(t testing.TB, args ...string) *service {
	t.Helper()
	s := &service{t: t, data: filepath.Join(t.TempDir(), "locks.db"), addr: "127.0.0.1:0", args: args}
	s.start()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("the server said:\n%.20000s", s.said())
		}
	})
	return s
}

func (s *service) url() string { return "http://" + s.addr + "/editlock" }

func (s *service) start() {
	s.t.Helper()
	args := append([]string{"serve", "--listen=" + s.addr, "--store=sqlite:" + s.data, "--max-per-address=19000"}, s.args...)
	path, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "EDITLOCK_KEY=" + accessSecret, "EDITLOCK_SIGNING_KEY=" + signingSecret}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	listening, done := make(chan string, 1), make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() {
		defer close(done)
		s.follow(stderr, listening)
		_ = cmd.Wait()
	}()
	select {
	case s.addr = <-listening:
	case <-done:
		s.t.Fatalf("the server ended:\n%s", s.said())
	case <-time.After(patience):
		s.t.Fatalf("the server does not listen:\n%s", s.said())
	}
}

func (s *service) follow(stderr io.Reader, listening chan<- string) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		s.mu.Lock()
		s.log.Write(append(lines.Bytes(), '\n'))
		s.mu.Unlock()
		var entry struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "listening" {
			listening <- entry.Addr
		}
	}
}

func (s *service) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// kill is kill -9.
func (s *service) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

func (s *service) signal(sig syscall.Signal) {
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Error(err)
	}
}
