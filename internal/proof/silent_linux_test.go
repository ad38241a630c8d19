package proof

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// 15,000 connections are opened that come to nothing: half of them say not a byte, half begin a request that never ends, byte by byte, and a thousand
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

	const request = "GET /editlock/v1/socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Protocol: editlock.v1\r\n"
	var refused atomic.Int64
	var mu sync.Mutex
	var conns, slow []net.Conn // all, and those that dribble
	silent := func(address, kind int) error {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+address))}}
		conn, err := dialer.DialContext(ctx, "tcp", s.addr)
		if err != nil {
			return err
		}
		if kind == 2 {
			if _, err := io.WriteString(conn, request+"\r\n"); err == nil {
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
					refused.Add(1) // too many at once, say
					return conn.Close()
				}
			}
		}
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, conn)
		if kind == 1 {
			slow = append(slow, conn)
		}
		return nil
	}
	defer func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	enough := make(chan struct{})
	var dribble sync.WaitGroup
	dribble.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for n := 0; ; n = (n + 1) % len(request) {
			mu.Lock()
			for _, conn := range slow {
				_, _ = conn.Write([]byte{request[n]}) // until it is closed
			}
			mu.Unlock()
			select {
			case <-tick.C:
			case <-enough:
				return
			}
		}
	})
	defer dribble.Wait()
	defer close(enough)
	var crowd sync.WaitGroup
	for worker := range 30 {
		crowd.Go(func() {
			for i := worker; i < all; i += 30 {
				kind := i % 2
				if i%15 == 0 { // of handshakes the server takes 1,000 a second
					kind = 2
				}
				if err := silent(i%200, kind); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	opened := make(chan struct{})
	go func() { crowd.Wait(); close(opened) }()

	visit := func(n int) {
		ben, err := patiently(ctx, s.url(), token("ben"))
		if err != nil {
			t.Fatal(err)
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
	open, closed := 0, 0
	one := make([]byte, 1)
	for _, conn := range conns {
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) {
			if _, _, err := syscall.Recvfrom(int(fd), one, syscall.MSG_PEEK|syscall.MSG_DONTWAIT); errors.Is(err, syscall.EAGAIN) {
				open++
			}
		})
	}
	deadline, _ := ctx.Deadline()
	for _, conn := range conns {
		_ = conn.SetReadDeadline(deadline)
		if _, err := io.Copy(io.Discard, conn); !errors.Is(err, os.ErrDeadlineExceeded) {
			closed++
		}
	}
	t.Logf("%d connections, %d of them still open when the last had come, %d handshakes refused; %d honest visits meanwhile", all, open, refused.Load(), visits)
	if closed < len(conns) || len(conns)+int(refused.Load()) != all {
		t.Errorf("of %d connections %d were closed", len(conns), closed)
	}
	visit(visits)
	if got := ana.Fence("article/1"); got != fence || ana.Closed() != nil {
		t.Errorf("Ana holds with %d, before %d, closed with %v", got, fence, ana.Closed())
	}
}
