package proof

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock/wire"
)

// host is a process with pages in it, to be stopped or killed with all of them at once. The kernel closes their sockets
// then, or leaves them open, as it does with a real client's.
type host struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	gone chan struct{} // closed when the process has ended, and all that it said was heard

	mu     sync.Mutex
	guests []*guest
}

// guest is what is known of a page of a host.
type guest struct {
	resource string
	asked    chan struct{} // closed when its request for the resource was answered
	held     chan struct{} // closed when it held

	mu  sync.Mutex
	now standing
}

// standing is where a guest stands, as its process says at every change.
type standing struct {
	Guest   int
	Session string
	State   string // waiting, granted, held; empty before
	Fence   int64
	Error   string
}

// invitation tells a host to open a page and to ask for a resource.
type invitation struct{ Token, Resource string }

const hostURL = "EDITLOCK_PROOF_HOST" // set in a process that is a host: the server's address

func startHost(url string) (*host, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), hostURL+"="+url)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	h := &host{cmd: cmd, in: in, gone: make(chan struct{})}
	go func() {
		defer close(h.gone)
		h.follow(out)
		_ = cmd.Wait()
	}()
	return h, nil
}

func (h *host) follow(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var s standing
		if json.Unmarshal(lines.Bytes(), &s) != nil {
			continue // killed in the middle of a line
		}
		h.mu.Lock()
		g := h.guests[s.Guest]
		h.mu.Unlock()
		g.mu.Lock()
		before := g.now
		g.now = s
		g.mu.Unlock()
		if before == (standing{}) {
			close(g.asked)
		}
		if s.State == "held" && before.State != "held" {
			close(g.held)
		}
	}
}

// invite opens a page in the process. The answer is not waited for.
func (h *host) invite(user, resource string) (*guest, error) {
	g := &guest{resource: resource, asked: make(chan struct{}), held: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.guests = append(h.guests, g)
	return g, json.NewEncoder(h.in).Encode(invitation{token(user), resource})
}

// kill is kill -9. It returns when the process is gone.
func (h *host) kill() {
	_ = h.cmd.Process.Kill()
	<-h.gone
	_ = h.in.Close()
}

func (g *guest) last() standing {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

// beHost lives in the other process, until it is killed or its parent is gone.
func beHost(url string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	go func() {
		<-ctx.Done()
		os.Exit(1)
	}()
	said := make(chan standing)
	go func() {
		for out := json.NewEncoder(os.Stdout); ; {
			if out.Encode(<-said) != nil {
				os.Exit(1)
			}
		}
	}()
	invitations := json.NewDecoder(os.Stdin)
	for n := 0; ; n++ {
		var i invitation
		if invitations.Decode(&i) != nil {
			os.Exit(0)
		}
		go func() {
			if err := beGuest(ctx, url, n, i, said); err != nil {
				said <- standing{Guest: n, Error: err.Error()}
			}
		}()
	}
}

// beGuest asks for the resource, and says where the page stands for as long as it lives.
func beGuest(ctx context.Context, url string, n int, i invitation, said chan<- standing) error {
	p, err := ask(ctx, url, i.Token, i.Resource)
	if err != nil {
		return err
	}
	before := standing{}
	_, err = p.Await(ctx, i.Resource, func(s wire.Snapshot) bool {
		now := standing{Guest: n, Session: sessionOf(p)}
		if s.Mine != nil {
			now.State, now.Fence = s.Mine.State, s.Mine.Fence
		}
		if now != before {
			said <- now
		}
		before = now
		return false
	})
	return err
}

// startHolder starts a process with one page in it, and waits until that holds.
func startHolder(t testing.TB, url, user, resource string) *host {
	t.Helper()
	h, err := startHost(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.kill)
	g, err := h.invite(user, resource)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-g.held:
	case <-h.gone:
		t.Fatalf("the page's process ended: %+v", g.last())
	case <-time.After(patience):
		t.Fatalf("the page does not hold: %+v", g.last())
	}
	return h
}
