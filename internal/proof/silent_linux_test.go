package proof

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/editlock/editlock/internal/swarm"
)

// 15,000 connections are opened that come to nothing: a third says not a byte, a third begins a request that never ends, byte by byte, and a third
// become WebSockets and never say who they are. They come from 200 addresses. The real server closes every one of them, and meanwhile serves whoever is honest.
// Faults: A10
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	all := 15_000
	if testing.Short() {
		all = 1500
	}
	s := serve(t, "--max-per-address=100")
	ctx := within(t)
	ana := open(t, s.url(), "ana")
	if _, err := ana.Acquire(ctx, "article/1", true); err != nil {
		t.Fatal(err)
	}
	fence, err := ana.AwaitHeld(ctx, "article/1")
	if err != nil {
		t.Fatal(err)
	}

	var here, most, refused, left atomic.Int64
	deadline, _ := ctx.Deadline()
	var hanging sync.WaitGroup
	stay := func(conn net.Conn, from io.Reader) { // until the server has had enough
		n := here.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		hanging.Go(func() {
			defer func() { here.Add(-1); _ = conn.Close() }()
			if _, err := io.Copy(io.Discard, from); errors.Is(err, os.ErrDeadlineExceeded) {
				left.Add(1)
			}
		})
	}
	silent := func(address, kind int) error {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+address))}}
		conn, err := dialer.DialContext(ctx, "tcp", s.addr)
		if err != nil {
			return err
		}
		_ = conn.SetDeadline(deadline)
		from := bufio.NewReader(conn)
		const request = "GET /editlock/v1/socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Protocol: editlock.v1\r\n"
		switch kind {
		case 1:
			hanging.Go(func() {
				tick := time.NewTicker(time.Second)
				defer tick.Stop()
				for _, b := range []byte(request + strings.Repeat("X-Endless: x\r\n", 100)) {
					if _, err := conn.Write([]byte{b}); err != nil {
						return
					}
					<-tick.C
				}
			})
		case 2:
			if _, err := io.WriteString(conn, request+"\r\n"); err == nil {
				resp, err := http.ReadResponse(from, nil)
				if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
					refused.Add(1) // too many at once, say
					return conn.Close()
				}
			}
		}
		stay(conn, from)
		return nil
	}
	var crowd sync.WaitGroup
	for worker := range 30 {
		crowd.Go(func() {
			for i := worker; i < all; i += 30 {
				if err := silent(i%200, i%3); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	opened := make(chan struct{})
	go func() { crowd.Wait(); close(opened) }()

	visit := func(n int) {
		ben, err := swarm.Open(ctx, s.url(), token("ben"))
		for err != nil { // too many at once: it comes again, as any client does
			if pause(ctx, 500*time.Millisecond) != nil {
				t.Fatal("an honest page is not let in: ", err)
			}
			ben, err = swarm.Open(ctx, s.url(), token("ben"))
		}
		defer ben.Drop()
		resource := fmt.Sprint("article/b", n)
		if _, err := ben.Acquire(ctx, resource, true); err != nil {
			t.Fatal(err)
		}
		got, err := ben.AwaitHeld(ctx, resource)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ben.Release(ctx, resource, got, ""); err != nil {
			t.Fatal(err)
		}
	}
	visits := 0
	for done := false; !done; visits++ {
		select {
		case <-opened:
			done = true
		default:
		}
		visit(visits)
	}
	hanging.Wait()
	t.Logf("%d connections, %d of them open at once, %d handshakes refused; %d honest visits meanwhile", all, most.Load(), refused.Load(), visits)
	if left.Load() > 0 {
		t.Errorf("%d connections were never closed", left.Load())
	}
	visit(visits)
	if got := ana.Fence("article/1"); got != fence || ana.Closed() != nil {
		t.Errorf("Ana holds with %d, before %d, closed with %v", got, fence, ana.Closed())
	}
}
