package server_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/editlock/editlock/wire"
)

// Faults: A9
func TestConnectionsOfAUser(t *testing.T) {
	w := start(t, func(o *setup) { o.MaxPerUser = 3 })
	var pages []*client
	for range 3 {
		pages = append(pages, w.page("ana"))
	}
	c := w.connect()
	e := c.fails(&wire.Hello{ID: 1, Token: access("ana"), Nonce: nonce()}, wire.TooManySessions)
	if e.RetryAfter == 0 {
		t.Error("it does not say when to try again")
	}
	c.closedWith(wire.CloseTooMany)
	w.page("ben")
	pages[0].line.close()
	recv(t, pages[0].closed, "the close")
	w.until("there is room again", func() bool {
		c := w.connect()
		c.send(&wire.Hello{ID: 1, Token: access("ana"), Nonce: nonce()})
		return c.answer().Kind() == "welcome"
	})
}

// A resume takes the place of the connection that it replaces, of which the server does not know yet that it is dead; and
// gives nobody a second one.
// Faults: A9, W1
func TestResumeAtTheLimit(t *testing.T) {
	w := start(t, func(o *setup) { o.MaxPerUser = 2 })
	half := w.connect()
	hello := half.hello(access("ana"), "")
	half.deafen()
	fence := half.hold("article/42")
	other := w.page("ana")

	first := &wire.Hello{ID: 1, Token: access("ana"), Nonce: nonce(), Resume: hello.Resume}
	resume := func() {
		t.Helper()
		c := w.connect()
		c.send(first)
		got, ok := c.answer().(*wire.Welcome)
		if !ok || !got.Resumed || len(got.Snapshots) != 1 || got.Snapshots[0].Mine.Fence != fence {
			t.Fatalf("%+v", got)
		}
	}
	for range 5 { // the answer is lost, time and again
		resume()
	}
	half.closedWith(wire.CloseReplaced)
	thief := w.connect()
	thief.fails(&wire.Hello{ID: 1, Token: access("ana"), Nonce: nonce(), Resume: hello.Resume}, wire.ResumeReused)
	thief.closedWith(wire.CloseResumeReused)
	resume() // whoever was refused did not keep the place
	for range 3 {
		c := w.connect()
		c.fails(&wire.Hello{ID: 1, Token: access("ana"), Nonce: nonce()}, wire.TooManySessions)
		c.closedWith(wire.CloseTooMany)
	}
	other.line.close()
	recv(t, other.closed, "the close")
	w.until("there is room again", func() bool {
		c := w.connect()
		c.send(&wire.Hello{ID: 1, Token: access("ana"), Nonce: nonce()})
		return c.answer().Kind() == "welcome"
	})
	c := w.connect()
	c.fails(&wire.Hello{ID: 1, Token: access("ana"), Nonce: nonce()}, wire.TooManySessions)
}

// So it is with the places of an address: of many behind one that lost their network, each can come back at once; and nobody
// gets in by it who has nothing there to come back to.
// Faults: A9, W1
func TestResumeAtTheLimitOfAnAddress(t *testing.T) {
	w := start(t, func(o *setup) {
		o.MaxPerAddress = 10 // one more may say hello
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	from := func(last int) []string { return []string{"X-Forwarded-For", fmt.Sprintf("192.0.2.%d", last)} }
	tooMany := func(c *client, h *wire.Hello) {
		t.Helper()
		c.fails(h, wire.TooManySessions)
		c.closedWith(wire.CloseTooMany)
	}
	half := w.connect(from(1)...)
	hello := half.hello(access("ana"), "")
	half.deafen()
	fence := half.hold("article/42")
	other := w.connect(from(1)...)
	others := other.hello(access("ben"), "")
	for range 8 {
		w.connect(from(1)...).hello(access("eve"), "")
	}

	first := &wire.Hello{ID: 1, Token: access("ana"), Nonce: nonce(), Resume: hello.Resume}
	back := w.connect(from(1)...)
	if _, resp, err := w.dial(from(1)...); err == nil || resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("more may say hello at the same time than the limit bears: %v", err)
	}
	for again := range 3 { // the answer is lost, time and again
		if again > 0 {
			back = w.connectSoon(from(1)...)
		}
		back.send(first)
		got, ok := back.answer().(*wire.Welcome)
		if !ok || !got.Resumed || len(got.Snapshots) != 1 || got.Snapshots[0].Mine.Fence != fence {
			t.Fatalf("%+v", got)
		}
	}
	half.closedWith(wire.CloseReplaced)
	tooMany(w.connectSoon(from(1)...), &wire.Hello{ID: 1, Token: access("eve"), Nonce: nonce()})
	// Somebody else's session is none to come back to, and one at another address gives no place at this one.
	thief := w.connectSoon(from(1)...)
	thief.fails(&wire.Hello{ID: 1, Token: access("eve"), Nonce: nonce(), Resume: others.Resume}, wire.ResumeRefused)
	tooMany(thief, &wire.Hello{ID: 2, Token: access("eve"), Nonce: nonce()})
	away := w.connect(from(2)...).hello(access("eve"), "")
	tooMany(w.connectSoon(from(1)...), &wire.Hello{ID: 1, Token: access("eve"), Nonce: nonce(), Resume: away.Resume})
	w.until("ten of this address and one of another are left", func() bool { return w.s.Stats().Connections == 11 })

	other.line.close()
	recv(t, other.closed, "the close")
	w.until("there is room again", func() bool {
		c := w.connectSoon(from(1)...)
		c.send(&wire.Hello{ID: 1, Token: access("eve"), Nonce: nonce()})
		return c.answer().Kind() == "welcome"
	})
	tooMany(w.connectSoon(from(1)...), &wire.Hello{ID: 1, Token: access("eve"), Nonce: nonce()})
}

// connectSoon connects as soon as the one before has left.
func (w *world) connectSoon(header ...string) (c *client) {
	w.Helper()
	w.until("there is room to say hello", func() (ok bool) {
		var err error
		c, _, err = w.dial(header...)
		return err == nil
	})
	return c
}

// Faults: A9, A10
func TestConnectionsOfAnAddress(t *testing.T) {
	refused := func(w *world, status int, header ...string) {
		w.Helper()
		_, resp, err := w.dial(header...)
		if err == nil || resp == nil || resp.StatusCode != status {
			w.Fatalf("%v, %v; want %d", resp, err, status)
		}
		if resp.Header.Get("Retry-After") == "" {
			w.Error("it does not say when to try again")
		}
	}
	t.Run("per address", func(t *testing.T) {
		w := start(t, func(o *setup) { o.MaxPerAddress = 2 })
		w.TB = t
		one := w.connect()
		w.connect()
		refused(w, http.StatusTooManyRequests)
		refused(w, http.StatusTooManyRequests, "X-Forwarded-For", "192.0.2.1") // nobody believes it
		one.line.close()
		w.until("there is room again", func() bool { _, _, err := w.dial(); return err == nil })
	})
	t.Run("behind a proxy", func(t *testing.T) {
		w := start(t, func(o *setup) {
			o.MaxPerAddress = 1
			o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
		})
		w.TB = t
		w.connect("X-Forwarded-For", "192.0.2.1")
		w.connect("X-Forwarded-For", "192.0.2.2")
		w.connect("X-Forwarded-For", "2001:db8:0:1::1")
		w.connect("X-Forwarded-For", "2001:db8:0:2::1")
		refused(w, http.StatusTooManyRequests, "X-Forwarded-For", "192.0.2.1")
		refused(w, http.StatusTooManyRequests, "X-Forwarded-For", "198.51.100.9, 192.0.2.1, 10.0.0.1") // what a client wrote before it counts for nothing
		refused(w, http.StatusTooManyRequests, "X-Forwarded-For", "2001:db8:0:1::2")
		refused(w, http.StatusTooManyRequests, "X-Forwarded-For", "::ffff:192.0.2.1")
	})
	t.Run("in all", func(t *testing.T) {
		w := start(t, func(o *setup) { o.MaxConnections = 1 })
		w.TB = t
		w.connect()
		refused(w, http.StatusServiceUnavailable)
	})
	t.Run("handshakes a second", func(t *testing.T) {
		w := start(t, func(o *setup) { o.HandshakeRate = 1 })
		w.TB = t
		w.connect()
		w.until("too fast", func() bool {
			_, resp, err := w.dial()
			return err != nil && resp != nil && resp.StatusCode == http.StatusServiceUnavailable
		})
		w.until("slow enough", func() bool { _, _, err := w.dial(); return err == nil })
	})
}

// Faults: A9
func TestMessageRate(t *testing.T) {
	w := start(t, func(o *setup) { o.Rate = 1 }) // so that a slow machine does not send them within their rate
	c := w.page("eve")
	for i := range 60 {
		c.send(&wire.Watch{ID: int64(i + 2), Target: target("article/42")})
	}
	refused := 0
	for range 60 {
		if e, ok := c.answer().(*wire.Error); ok {
			if e.Code != wire.RateLimited || e.RetryAfter <= 0 || e.RetryAfter > 1 {
				t.Fatalf("%+v", e)
			}
			refused++
		}
	}
	if refused == 0 || refused > 21 {
		t.Errorf("%d of 60 were refused; 40 may come at once", refused)
	}
	go func() {
		for i := 0; c.line.send(fmt.Sprintf(`{"id":%d,"type":"watch","resource":"article/42"}`, i%1000+100)) == nil; i++ {
			continue
		}
	}()
	c.closedWith(wire.CloseTooMany)
}

// until tries until something is so.
func (w *world) until(what string, f func() bool) {
	w.Helper()
	for end := time.Now().Add(patience); !f(); {
		if time.Now().After(end) {
			w.Fatalf("waited in vain: %s", what)
		}
		<-time.After(5 * time.Millisecond) // an attempt may cost a handshake, of which an address has 200 at once
	}
}

// Behind a proxy that speaks through a local socket, clients are told apart by what it says; else all that come
// through the socket count as one.
func TestLocalSocket(t *testing.T) {
	for trusted, want := range map[bool]int{true: http.StatusSwitchingProtocols, false: http.StatusTooManyRequests} {
		path := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		w := start(t, func(o *setup) {
			o.MaxPerAddress = 1
			if trusted {
				o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
			}
		})
		h := &http.Server{Handler: w.s}
		go func() { _ = h.Serve(l) }()
		t.Cleanup(func() { _ = h.Close() })
		for i, status := range []int{http.StatusSwitchingProtocols, want} {
			c, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			r := &raw{t, c, bufio.NewReader(c)}
			resp := r.request("GET /v1/socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
				"Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Protocol: editlock.v1\r\n" + fmt.Sprintf("X-Forwarded-For: 192.0.2.%d\r\n\r\n", i+1))
			if resp.StatusCode != status {
				t.Errorf("trusted %t, client %d: %s, want %d", trusted, i, resp.Status, status)
			}
		}
	}
}
