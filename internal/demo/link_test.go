package demo

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// soon is when something that must happen has to have happened; shortly is for how long something must not.
const (
	soon    = time.Minute
	shortly = 150 * time.Millisecond
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// joined returns a link and the two ends of a connection through it.
func joined(t *testing.T) (l *link, near, far net.Conn) {
	t.Helper()
	server := listen(t)
	l = newLink(listen(t), func() string { return server.Addr().String() })
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { l.serve(ctx) })
	t.Cleanup(func() { cancel(); group.Wait() })
	near, err := net.Dial("tcp", l.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if far, err = server.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return l, near, far
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c net.Conn, want string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(soon))
	buffer := make([]byte, len(want))
	if _, err := io.ReadFull(c, buffer); err != nil || string(buffer) != want {
		t.Fatalf("%q %v", buffer, err)
	}
}

func silence(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(shortly))
	n, err := c.Read(make([]byte, 10))
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("something came through: %d bytes, %v", n, err)
	}
}

// Faults: W1
func TestCutLinkIsSilentBothWays(t *testing.T) {
	l, near, far := joined(t)
	say(t, near, "hello")
	hear(t, far, "hello")
	l.cut()
	say(t, near, "late question")
	say(t, far, "late answer")
	silence(t, far)
	silence(t, near)
	_ = far.Close() // the server gives up, and its close does not come through either
	silence(t, near)
	l.restore()
	hear(t, near, "late answer")
	_ = near.SetReadDeadline(time.Now().Add(soon))
	if _, err := near.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the close never came: %v", err)
	}
}

func TestCutLinkTakesNewConnectionsAndAnswersNothing(t *testing.T) {
	l, _, _ := joined(t)
	l.cut()
	c, err := net.Dial("tcp", l.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	silence(t, c)
	if l.restore(); l.down() {
		t.Fatal("still cut")
	}
}

func TestLinkToAServerThatIsDown(t *testing.T) {
	l := newLink(listen(t), func() string { return "" })
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { l.serve(ctx) })
	defer func() { cancel(); group.Wait() }()
	c, err := net.Dial("tcp", l.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetReadDeadline(time.Now().Add(soon))
	if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("neither served nor refused")
	}
}
