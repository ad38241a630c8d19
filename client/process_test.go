//go:build unix

package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/client"
)

const (
	accessSecret  = "NLBzPSjXVcXwc1YDYJPeJ6pXWm2q0w8iT5E7vRr1uGkHcZ0fQyLb9mDaSx3oKtVn"
	signingSecret = "qT7mVw2kXzB4nJ8sRfY1cH6gLpD0aEu9QiZ3xWvKtMoN5bGyUjSrCdPhFeAlOi0x"
	holderURL     = "EDITLOCK_CLIENT_TEST_SERVER" // set in a process that is a holder
)

var processKey = mustKey("", accessSecret)

func processToken(id, name string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		return processKey.Sign("JWT", map[string]any{
			"sub": id, "name": name, "rights": []string{"edit:**"}, "iss": "app", "aud": "editlock", "exp": time.Now().Add(time.Hour).Unix(),
		})
	}
}

// scratch is removed when the tests have ended.
var scratch string

// program builds the real binary, once.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "editlock")
	out, err := exec.Command("go", "build", "-o", path, "github.com/editlock/editlock/cmd/editlock").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if url := os.Getenv(holderURL); url != "" {
		beHolder(url)
	}
	var err error
	if scratch, err = os.MkdirTemp("", "editlock-client-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(status)
}

// process is `editlock serve`, which may be killed and started again on the same data and address.
type process struct {
	*testing.T
	data, addr string
	cmd        *exec.Cmd
	done       chan struct{}
}

func serve(t *testing.T) *process {
	t.Helper()
	p := &process{T: t, data: filepath.Join(t.TempDir(), "locks.db"), addr: "127.0.0.1:0"}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *process) start() {
	p.Helper()
	path, err := program()
	if err != nil {
		p.Fatal(err)
	}
	p.cmd = exec.Command(path, "serve", "--listen="+p.addr, "--store=sqlite:"+p.data, "--ttl=10s", "--drain=4s")
	p.cmd.Env = []string{"EDITLOCK_KEY=" + accessSecret, "EDITLOCK_SIGNING_KEY=" + signingSecret}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		p.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	listening := make(chan string, 1)
	p.done = make(chan struct{})
	cmd, done := p.cmd, p.done
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var entry struct{ Msg, Addr string }
			if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "listening" {
				listening <- entry.Addr
			}
		}
		_ = cmd.Wait()
	}()
	select {
	case p.addr = <-listening:
	case <-p.done:
		p.Fatal("the server ended")
	case <-time.After(patience):
		p.Fatal("the server does not listen")
	}
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

func (p *process) signal(sig syscall.Signal) {
	p.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.Fatal(err)
	}
}

func (p *process) session(id, name string) *client.Session {
	p.Helper()
	s, err := client.Open(p.Context(), client.Options{
		Servers: []string{"http://" + p.addr + "/editlock"}, Token: processToken(id, name), Timeout: patience,
		Logger: slog.New(slog.NewTextHandler(p.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = s.Close() })
	return s
}

// pair is a holder and one who waits.
func (p *process) pair() (ana, ben *client.Session, a *client.Lock, waiting chan editlock.Lock) {
	p.Helper()
	ana, ben = p.session("1", "Ana"), p.session("2", "Ben")
	lock, err := ana.Acquire(p.Context(), doc)
	if err != nil {
		p.Fatal(err)
	}
	news, err := ana.Watch(p.Context(), doc)
	if err != nil {
		p.Fatal(err)
	}
	waiting = make(chan editlock.Lock, 1)
	go func() {
		if b, err := ben.Acquire(p.Context(), doc); err == nil {
			waiting <- b
		}
	}()
	for snap := range news {
		if snap.Waiting == 1 {
			break
		}
	}
	return ana, ben, lock.(*client.Lock), waiting
}

// stillAna lets Ana hand over to Ben, and shows by that that she held and he had his place.
func (p *process) stillAna(a *client.Lock, waiting chan editlock.Lock) {
	p.Helper()
	if err := a.Changed(p.Context(), "after"); err != nil { // takes the fence
		p.Fatalf("Ana's lock: %v; its context: %v", err, context.Cause(a.Context()))
	}
	select {
	case <-waiting:
		p.Fatal("two hold")
	default:
	}
	if err := a.Release(p.Context()); err != nil {
		p.Fatal(err)
	}
	select {
	case b := <-waiting:
		if b.Fence() <= a.Fence() {
			p.Errorf("fence %d after %d", b.Fence(), a.Fence())
		}
	case <-time.After(patience):
		p.Fatal("Ben has lost his place")
	}
}

// Faults: N1. kill -9 of the server, and a start on the same data: the same hold, the same place.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	p := serve(t)
	_, _, a, waiting := p.pair()
	for range 3 {
		p.kill()
		p.start()
		if err := a.Changed(t.Context(), "meanwhile"); err != nil {
			t.Fatal(err)
		}
	}
	p.stillAna(a, waiting)
}

// Faults: N3. A deploy: SIGTERM, and the next server on the same data and address.
func TestServerTerminated(t *testing.T) {
	t.Parallel()
	p := serve(t)
	_, _, a, waiting := p.pair()
	p.signal(syscall.SIGTERM)
	<-p.done
	p.start()
	p.stillAna(a, waiting)
}

// Faults: N4. A server that is stopped for a while, longer than the client believes: nothing is lost but trust meanwhile.
func TestServerStopped(t *testing.T) {
	t.Parallel()
	p := serve(t)
	ana, _, a, waiting := p.pair()
	p.signal(syscall.SIGSTOP)
	<-a.Context().Done()
	if !errors.Is(context.Cause(a.Context()), editlock.ErrUnsure) {
		t.Errorf("the cause is %v", context.Cause(a.Context()))
	}
	again := make(chan editlock.Lock, 1)
	go func() {
		if lock, err := ana.Acquire(t.Context(), doc); err == nil {
			again <- lock
		}
	}()
	p.signal(syscall.SIGCONT)
	select {
	case lock := <-again:
		if lock.Fence() != a.Fence() {
			t.Fatalf("fence %d, before %d", lock.Fence(), a.Fence())
		}
		p.stillAna(lock.(*client.Lock), waiting)
	case <-time.After(patience):
		t.Fatal("Ana does not get it back")
	}
}

// holder is a process of its own that holds doc.
type holder struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func (p *process) holder() *holder {
	p.Helper()
	h := &holder{cmd: exec.Command(os.Args[0])}
	h.cmd.Env = append(os.Environ(), holderURL+"=http://"+p.addr+"/editlock")
	h.cmd.Stderr = p.Output()
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		p.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = h.cmd.Process.Kill(); _ = h.cmd.Wait() })
	h.lines = bufio.NewScanner(out)
	if !h.lines.Scan() || h.lines.Text() != "holds" {
		p.Fatalf("the holder says %q", h.lines.Text())
	}
	return h
}

// beHolder lives in the other process. Its main goroutine works without a pause, as a program does that looks at the lock before each
// step: what it says once it is lost is what the first look said.
func beHolder(url string) {
	s, err := client.Open(context.Background(), client.Options{Servers: []string{url}, Token: processToken("1", "Ana")})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	lock, err := s.Acquire(context.Background(), doc)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("holds")
	last := time.Now()
	for end := last.Add(patience); ; {
		now := time.Now() // a stop between this and the next line is seen at the next round: it looks again
		if lock.Context().Err() != nil {
			fmt.Println("stops:", context.Cause(lock.Context()))
			os.Exit(0)
		}
		if now.Sub(last) > 11*time.Second { // it was stopped for longer than the session lives, before this look
			fmt.Println("believes, after", now.Sub(last))
			os.Exit(0)
		}
		if last = now; now.After(end) {
			fmt.Println("was never stopped")
			os.Exit(0)
		}
		<-time.After(time.Millisecond)
	}
}

// Faults: B10, W2. A program that was stopped for longer than its session lives does not believe when it goes on.
func TestStoppedClientDoesNotBelieve(t *testing.T) {
	t.Parallel()
	p := serve(t)
	h := p.holder()
	if err := h.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ben := p.session("2", "Ben")
	if _, err := ben.Acquire(t.Context(), doc); err != nil { // in his turn: the holder's time is over
		t.Fatal(err)
	}
	if err := h.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if !h.lines.Scan() || !strings.HasPrefix(h.lines.Text(), "stops:") {
		t.Errorf("the holder that was stopped says %q", h.lines.Text())
	}
}

// Faults: B8. A program that is killed: the next one is let in when its time is over.
func TestKilledClient(t *testing.T) {
	t.Parallel()
	p := serve(t)
	ben := p.session("2", "Ben")
	h := p.holder()
	_ = h.cmd.Process.Kill()
	if _, err := ben.Try(t.Context(), doc); !errors.Is(err, editlock.ErrLocked) {
		t.Fatalf("at once: %v", err)
	}
	if _, err := ben.Acquire(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
}
