package server_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/wire"
)

// pipes is a listener whose connections are pipes in memory, so that a whole server runs in virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// bubble is a whole server in virtual time, with an honest program that holds article/42.
type bubble struct {
	t      *testing.T
	m      *editlock.Manager
	s      *server.Server
	l      *pipes
	lock   editlock.Lock
	panics []string
}

// inBubble runs f with a server, and judges what is left of it.
func inBubble(t *testing.T, f func(b *bubble), change ...func(*server.Options)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t, l: &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}}
		must := func(err error) {
			if err != nil {
				t.Helper()
				t.Fatal(err)
			}
		}
		quiet := slog.New(slog.DiscardHandler)
		var err error
		b.m, err = editlock.Open(t.Context(), mem.New(), editlock.Config{TTL: 10 * time.Second, Logger: quiet})
		must(err)
		o := server.Options{
			Access:  server.Access{Keys: wire.Keys{appKey}, Issuer: "app", Audience: "editlock"},
			LockKey: lockKey, Logger: slog.New(panicsOf(b)), MaxPerAddress: 1000,
		}
		for _, c := range change {
			c(&o)
		}
		b.s, err = server.New(b.m, o)
		must(err)
		h := &http.Server{Handler: b.s, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(quiet.Handler(), slog.LevelDebug)}
		served := make(chan struct{})
		go func() { defer close(served); _ = h.Serve(b.l) }()
		honest, err := b.m.Session(t.Context(), editlock.User{ID: "honest", Name: "Honest"})
		must(err)
		b.lock, err = honest.Acquire(t.Context(), "article/42")
		must(err)

		f(b)

		if err := b.lock.Context().Err(); err != nil {
			t.Fatalf("the honest holder lost its lock: %v", context.Cause(b.lock.Context()))
		}
		if entries, _, err := b.m.History(t.Context(), "article/42", "", 10); err != nil || len(entries) != 1 {
			t.Fatalf("the history of the honest holder's lock: %+v, %v", entries, err)
		}
		for _, p := range b.panics {
			if !strings.Contains(p, " in read panic runtime error: ") || !strings.Contains(p, "gws.(*Conn).readMessage") { // the library's, on a negative length
				t.Error(p)
			}
		}
		// All that came has gone by itself: nobody is served for ever.
		for i := 0; b.s.Stats().Connections > 0; i++ {
			if i > 60 {
				t.Fatalf("%d connections are left a minute later", b.s.Stats().Connections)
			}
			<-time.After(time.Second)
		}
		must(b.s.Close(t.Context()))
		_ = h.Close()
		<-served
		must(honest.Close())
		must(b.m.Close())
	})
}

// panicsOf notes the panics that a server logs.
func panicsOf(b *bubble) slog.Handler {
	return panicHandler{slog.DiscardHandler, b, new(sync.Mutex)}
}

type panicHandler struct {
	slog.Handler
	b  *bubble
	mu *sync.Mutex
}

func (panicHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

func (h panicHandler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s %s", a.Key, a.Value)
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b.panics = append(h.b.panics, text)
	return nil
}

// pipe is a connection to the server of a bubble, whose other end is judged.
type pipe struct {
	b *bubble
	net.Conn
	br      *bufio.Reader
	frames  chan wire.Frame
	closed  chan struct{} // when nothing more will come
	code    uint16        // then: with which the server closed, or 0
	answers map[int64]int
	mu      sync.Mutex
}

// dial sends the bytes of a request and returns the answer to it.
func (b *bubble) dial(request string) (*pipe, *http.Response) {
	near, far := net.Pipe()
	b.l.conns <- far
	p := &pipe{b: b, Conn: near, br: bufio.NewReader(near), frames: make(chan wire.Frame, 10_000), closed: make(chan struct{}), answers: map[int64]int{}}
	_ = near.SetDeadline(time.Now().Add(5 * time.Minute))
	go func() { _, _ = io.WriteString(near, request) }()
	resp, err := http.ReadResponse(p.br, nil)
	if err != nil {
		return p, nil
	}
	return p, resp
}

const upgrade = "GET /v1/socket HTTP/1.1\r\nHost: lock.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\nSec-WebSocket-Protocol: editlock.v1\r\n\r\n"

func (b *bubble) socket() *pipe {
	p, resp := b.dial(upgrade)
	if resp == nil || resp.StatusCode != http.StatusSwitchingProtocols {
		b.t.Fatalf("handshake: %+v", resp)
	}
	go p.listen()
	return p
}

// listen judges every frame from the server, and answers its heartbeats.
func (p *pipe) listen() {
	defer close(p.closed)
	r := raw{TB: p.b.t, br: p.br}
	for {
		first, payload, err := r.readFrame()
		if err != nil {
			return
		}
		switch first {
		case fin | 0x1:
			if !utf8.Valid(payload) {
				p.b.t.Errorf("the server sent %q", payload)
			}
			f, err := wire.DecodeReply(payload)
			if err != nil || f == nil {
				p.b.t.Errorf("the server sent %s: %v", payload, err)
				continue
			}
			if ping, ok := f.(*wire.Ping); ok {
				go p.say(fmt.Sprintf(`{"type":"pong","ping":%d}`, ping.Ping))
				continue
			}
			p.mu.Lock()
			switch f := f.(type) {
			case *wire.OK:
				p.answers[f.ID]++
			case *wire.Welcome:
				p.answers[f.ID]++
			case *wire.Error:
				p.answers[f.ID]++
				if f.Message == "" || f.Code == "" {
					p.b.t.Errorf("an error without words: %s", payload)
				}
			}
			p.mu.Unlock()
			p.frames <- f
		case fin | 0x8:
			if len(payload) == 0 {
				continue // an answer to a close without a code
			}
			if len(payload) < 2 || !utf8.Valid(payload[2:]) {
				p.b.t.Errorf("closed by %q", payload)
				return
			}
			if p.code = binary.BigEndian.Uint16(payload); !slices.Contains(closes, p.code) && !echoed(p.code) {
				p.b.t.Errorf("closed with %d", p.code)
			}
		case fin | 0xa:
			if len(payload) > 125 {
				p.b.t.Errorf("a pong of %d bytes", len(payload))
			}
		default:
			p.b.t.Errorf("the server sent a frame that begins with %#x", first)
		}
	}
}

// echoed are the codes that a client may close with, and gets back.
func echoed(code uint16) bool {
	return code >= 1000 && code <= 1014 && code != 1004 && code != 1006 || code >= 3000 && code <= 4999
}

// closes are the codes with which the server may close.
var closes = []uint16{1000, 1001, wire.CloseProtocol, wire.CloseBinary, 1005, wire.CloseBadText, wire.CloseTooBig, wire.CloseInternal, wire.CloseRestart,
	wire.CloseTooSlow, wire.CloseNoPong, wire.CloseTooMany, wire.CloseHelloLate, wire.CloseBadMessage, wire.CloseTokenExpired, wire.CloseTokenRefused,
	wire.CloseReplaced, wire.CloseResumeReused, wire.CloseSessionEnded}

func (p *pipe) say(text string) { _, _ = p.Write(frame(textFrame, []byte(text))) }

// hello greets, and returns the welcome.
func (p *pipe) hello(user, resume string) *wire.Welcome {
	p.say(fmt.Sprintf(`{"id":1,"type":"hello","token":%q,"nonce":%q,"resume":%q}`, access(user), nonce(), resume))
	for {
		select {
		case f := <-p.frames:
			if w, ok := f.(*wire.Welcome); ok {
				return w
			}
			if _, ok := f.(*wire.Error); ok && resume != "" {
				return p.hello(user, "")
			}
		case <-p.closed:
			return nil
		}
	}
}
