package server_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/editlock/editlock/wire"
)

// BenchmarkIdleMemory reports the heap and stacks that an idle connection costs the process that serves it: of the
// network alone, of the library alone, and of editlock with a session that watches, or that holds a lock. The clients
// live in the same process; what they cost is in every row, and is the first one.
func BenchmarkIdleMemory(b *testing.B) {
	const n = 3000
	quiet := func(o *setup) {
		o.MaxPerAddress, o.MaxConnections, o.HandshakeRate, o.HelloTimeout = n+200, n+200, 10*n, patience
		o.ttl = 300 * time.Second // a heartbeat that nobody sees before it is over
		o.Rate, o.Burst = 1000, 1000
	}
	measure := func(b *testing.B, open func(i int) net.Conn) {
		for range b.N {
			conns := make([]net.Conn, 0, n+100)
			for i := range 100 { // pools and maps fill up first
				conns = append(conns, open(i))
			}
			before := inUse()
			for i := 100; i < n+100; i++ {
				conns = append(conns, open(i))
			}
			b.ReportMetric(float64(inUse()-before)/n, "B/conn")
			for _, c := range conns {
				_ = c.Close()
			}
		}
		b.ReportMetric(0, "ns/op")
	}
	b.Run("network", func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		accepted := make(chan net.Conn, 1)
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				accepted <- c
			}
		}()
		var keep []net.Conn
		measure(b, func(int) net.Conn {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			keep = append(keep, <-accepted)
			return c
		})
		for _, c := range keep {
			_ = c.Close()
		}
	})
	b.Run("library", func(b *testing.B) {
		up := gws.NewUpgrader(gws.BuiltinEventHandler{}, &gws.ServerOption{SubProtocols: []string{wire.Subprotocol}})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if ws, err := up.Upgrade(w, r); err == nil {
				go ws.ReadLoop()
			}
		})}
		go func() { _ = h.Serve(l) }()
		defer func() { _ = h.Close() }()
		w := &world{TB: b, addr: l.Addr().String()}
		measure(b, func(int) net.Conn { return w.rawPage() })
	})
	b.Run("watches", func(b *testing.B) {
		w := start(b, quiet)
		measure(b, func(i int) net.Conn {
			return w.rawPage(hello(i), `{"id":2,"type":"watch","resource":"article/0"}`)
		})
	})
	b.Run("holds", func(b *testing.B) {
		w := start(b, quiet)
		measure(b, func(i int) net.Conn {
			return w.rawPage(hello(i), fmt.Sprintf(`{"id":2,"type":"acquire","resource":"article/%d"}`, i))
		})
	})
}

func hello(i int) string {
	return fmt.Sprintf(`{"id":1,"type":"hello","token":%q,"nonce":%q}`, access(fmt.Sprint("user", i)), nonce())
}

// rawPage opens a WebSocket by hand and waits for the answer to each message.
func (w *world) rawPage(messages ...string) net.Conn {
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.Fatal(err)
	}
	r := &raw{w.TB, c, bufio.NewReaderSize(c, 2048)}
	_ = c.SetDeadline(time.Now().Add(patience))
	resp := r.request("GET /v1/socket HTTP/1.1\r\nHost: " + w.addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Protocol: editlock.v1\r\n\r\n")
	if resp.StatusCode != http.StatusSwitchingProtocols {
		w.Fatalf("handshake: %s", resp.Status)
	}
	for _, m := range messages {
		if _, err := c.Write(frame(textFrame, []byte(m))); err != nil {
			w.Fatal(err)
		}
		for {
			_, payload, err := r.readFrame()
			if err != nil {
				w.Fatal(err)
			}
			if strings.Contains(string(payload), `"id":`) {
				break
			}
		}
	}
	_ = c.SetDeadline(time.Time{})
	return c
}

func inUse() uint64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
