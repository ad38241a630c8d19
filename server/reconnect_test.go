package server_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/editlock/editlock/wire"
)

// 100,000 connections come and go: resumed ones and new ones, closed with and without a word, and such as are replaced while they are still open. What the process has of
// goroutines, files and memory afterwards is what it had after the first tenth, but for 23 bytes a connection at most (tables that have grown do not shrink). The fences are what they were.
//
// It runs in a process of its own, without the race detector, which would take ten times as long.
//
// Faults: N7
func TestReconnects(t *testing.T) {
	const times = "EDITLOCK_TEST_RECONNECTS"
	n, err := strconv.Atoi(os.Getenv(times))
	if err == nil {
		reconnects(t, n)
		return
	}
	t.Parallel() // it only waits
	n = 100_000
	if testing.Short() {
		n = 5000
	}
	binary := filepath.Join(t.TempDir(), "server.test")
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-test.run=^TestReconnects$", "-test.v")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", times, n))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// footprint is what a process has, once nobody is connected any more.
type footprint struct {
	goroutines, files int
	memory            int64
}

func (w *world) footprint() footprint {
	w.Helper()
	w.until("all connections are gone", func() bool { return w.s.Stats().Connections == 0 })
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		w.Fatal(err)
	}
	return footprint{runtime.NumGoroutine(), len(files), int64(inUse())}
}

func reconnects(t *testing.T, n int) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, fast, func(o *setup) {
		o.MaxPerAddress, o.MaxPerUser, o.MaxConnections, o.HandshakeRate = 1<<20, 1<<20, 1<<20, 1<<20
		o.listen = func(l net.Listener) net.Listener { // in place of TCP, which runs out of ports
			_ = l.Close()
			return listener
		}
	})
	const pages = 32
	var list []*comer
	for i := range pages {
		c := &comer{world: w, socket: socket, user: fmt.Sprintf("user%d-", i), keeps: i%4 == 0}
		c.connect()
		if c.keeps {
			c.hold(fmt.Sprint("article/", i))
		}
		list = append(list, c)
	}
	var done atomic.Int64
	round := func(upTo int) {
		var wg sync.WaitGroup
		for _, c := range list {
			wg.Go(func() {
				for done.Add(1) <= int64(upTo) && !t.Failed() {
					c.turn()
				}
			})
		}
		wg.Wait()
		done.Store(int64(upTo))
		for _, c := range list {
			c.close()
		}
	}
	round(n / 10)
	before := w.footprint()
	began := time.Now()
	round(n)
	t.Logf("%d connections in %v", n*9/10, time.Since(began).Round(time.Millisecond))
	var after footprint
	t.Cleanup(func() { t.Logf("before %+v, after %+v", before, after) })
	// Up to 64 goroutines that have nothing to do are kept for the next one.
	w.until("what ended sessions took is given back", func() bool {
		after = w.footprint()
		return after.goroutines <= before.goroutines+64 && after.files <= before.files+4 && after.memory <= before.memory+2<<20
	})
	for _, c := range list {
		if c.keeps {
			c.connect()
			if c.fence != c.found {
				t.Errorf("%s came back with fence %d, before %d", c.user, c.found, c.fence)
			}
			c.close()
		}
	}
}

// comer is a page that comes and goes.
type comer struct {
	*world
	socket, user string
	keeps        bool // a lock: it always comes back with its session
	conn         *raw
	resume       string
	fence, found int64
	turns        int
}

// connect opens a connection and says hello, with the session that there is.
func (c *comer) connect() {
	conn, err := net.Dial("unix", c.socket)
	if err != nil {
		c.Error(err)
		return // with the old one, which fails
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	c.conn = newRaw(c.TB, conn)
	c.conn.request(upgrade)
	c.say(&wire.Hello{ID: 1, Token: access(c.user), Nonce: nonce(), Resume: c.resume})
	f := c.answer()
	w, ok := f.(*wire.Welcome)
	if !ok || w.Resumed != (c.resume != "") {
		c.Errorf("%s: %+v", c.user, f)
		return
	}
	c.resume = w.Resume
	for _, s := range w.Snapshots {
		if s.Mine != nil {
			c.found = s.Mine.Fence
		}
	}
}

func (c *comer) say(r wire.Request) {
	text, err := wire.Encode(r)
	if err != nil {
		c.Error(err)
	}
	_, _ = c.conn.Write(frame(textFrame, text))
}

// answer reads on to the next answer.
func (c *comer) answer() wire.Frame {
	for {
		first, payload, err := c.conn.readFrame()
		if err != nil {
			c.Errorf("%s: no answer: %v", c.user, err)
			return nil
		}
		if first != textFrame {
			continue
		}
		switch f, _ := wire.DecodeReply(payload); f.(type) {
		case *wire.OK, *wire.Error, *wire.Welcome:
			return f
		}
	}
}

func (c *comer) hold(resource string) {
	c.say(&wire.Acquire{ID: 2, Target: target(resource)})
	ok, _ := c.answer().(*wire.OK)
	if ok == nil || ok.Snapshot.Mine == nil {
		c.Fatal("not granted")
	}
	c.fence = ok.Snapshot.Mine.Fence
	c.say(&wire.Confirm{ID: 3, Target: target(resource), Fence: c.fence})
	c.answer()
}

// turn ends the connection in one way or the other, and opens the next.
func (c *comer) turn() {
	c.turns++
	if !c.keeps && c.turns%8 == 0 {
		c.resume, c.user = "", fmt.Sprint(c.user[:strings.IndexByte(c.user, '-')+1], c.turns) // another session; the old one is never heard of again
	}
	switch old := c.conn; c.turns % 3 {
	case 0: // the server notices when the next one comes
		c.connect()
		_ = old.Close()
		return
	case 1:
		_, _ = old.Write(frame(0x88, []byte{3, 232}))
		fallthrough
	default:
		_ = old.Close()
	}
	c.connect()
}

func (c *comer) close() { _ = c.conn.Close() }
