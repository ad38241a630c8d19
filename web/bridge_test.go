package web_test

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/editlock/editlock/internal/again"
	"github.com/editlock/editlock/internal/browser"
	"github.com/editlock/editlock/wire"
)

// way is how pages are made to connect: by WebSocket, or without, by "stream" or "poll". See TestWithoutWebSocket.
var way = os.Getenv(again.Way)

// tabs opens pages that connect in that way.
type tabs struct{ *browser.Browser }

// Page opens a tab of a new person. One that is to poll has found out already that nothing else gets through, which takes a page
// some seconds; that WebSockets do not, it finds out by itself.
func (b tabs) Page(t testing.TB) *browser.Page {
	t.Helper()
	p := b.Browser.Page(t)
	if way == "poll" {
		p.BeforeScripts(`try { sessionStorage["editlock way " + location.origin + "/editlock"] ??= '{"way":"poll","until":1e15,"wait":1e9}' } catch {}`)
	}
	return p
}

// noSockets is a proxy that lets no WebSocket through, where pages are to connect without.
func noSockets(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if way != "" && r.Header.Get("Upgrade") != "" && r.Header.Get("X-Bridge") == "" {
			http.Error(w, "no WebSockets here", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bridges carry streams to a peer, which knows WebSockets: it has one for each stream. Where pages are to poll, they keep
// the answers of streams back, as a proxy does.
type bridges struct {
	p  *peer
	mu sync.Mutex
	of map[string]*bridge
}

type bridge struct {
	gws.BuiltinEventHandler
	t    testing.TB
	key  string
	poll bool
	ws   *gws.Conn

	mu      sync.Mutex
	changed chan struct{}
	frames  [][]byte
	ended   bool
	code    int // with ended; 0: without a word
	posts   int64
	polls   int64
	absent  *time.Timer // runs between two polls
}

func (b *bridge) do(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *bridge) OnMessage(_ *gws.Conn, m *gws.Message) {
	frame := append([]byte{}, m.Bytes()...)
	_ = m.Close()
	b.do(func() { b.frames = append(b.frames, frame) })
}

func (b *bridge) OnClose(_ *gws.Conn, err error) {
	var end *gws.CloseError
	b.do(func() {
		b.ended = true
		if errors.As(err, &end) {
			b.code = int(end.Code)
		}
	})
}

func (bs *bridges) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	down, keepsBack := false, false
	bs.p.do(func() { down, keepsBack = bs.p.down, bs.p.keepsBack || way == "poll" })
	if down {
		bs.p.do(func() { bs.p.missed++ })
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	head, frames, err := wire.DecodePost(body)
	if err != nil || r.Header.Get("Content-Type") != "text/plain" || !wire.ValidStreamName(r.PathValue("name")) || len(body) > wire.MaxPost {
		bs.p.t.Errorf("a client sent %q to %s as %s: %v", body, r.URL, r.Header.Get("Content-Type"), err)
	}
	if head.Open == "stream" && keepsBack {
		<-r.Context().Done()
		return
	}
	bs.mu.Lock()
	b := bs.of[r.PathValue("name")]
	bs.mu.Unlock()
	switch {
	case head.Open != "":
		if b != nil {
			bs.p.t.Error("a client used the name of a stream again")
		}
		if b = bs.open(r.PathValue("name"), head.Open == "poll"); b == nil {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		b.say(frames)
		b.answer(w, r, true)
	case b == nil || b.key != head.Key:
		http.Error(w, "no stream", http.StatusNotFound)
	case head.Poll > 0:
		b.polls++
		if head.Poll != b.polls || !b.absent.Stop() {
			bs.p.t.Errorf("poll %d after %d", head.Poll, b.polls)
		}
		b.answer(w, r, false)
	default:
		b.do(func() {
			if head.Post != b.posts+1 {
				bs.p.t.Errorf("post %d after %d", head.Post, b.posts)
			}
			b.posts++
			b.say(frames)
		})
		w.WriteHeader(http.StatusNoContent)
	}
}

func (bs *bridges) open(name string, poll bool) *bridge {
	b := &bridge{t: bs.p.t, key: rand.Text(), poll: poll, polls: 1, changed: make(chan struct{})}
	ws, _, err := gws.NewClient(b, &gws.ClientOption{
		Addr:          "ws" + bs.p.srv.URL[len("http"):] + "/editlock/v1/socket",
		RequestHeader: http.Header{"Sec-Websocket-Protocol": {wire.Subprotocol}, "X-Bridge": {"1"}},
	})
	if err != nil {
		return nil
	}
	b.ws = ws
	bs.p.do(func() { bs.p.streams++ })
	b.absent = time.AfterFunc(time.Hour, b.drop)
	go ws.ReadLoop()
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.of[name] = b
	return b
}

// drop is the end of a client that has gone.
func (b *bridge) drop() { _ = b.ws.NetConn().Close() }

func (b *bridge) say(frames [][]byte) {
	for _, f := range frames {
		_ = b.ws.WriteMessage(gws.OpcodeText, f)
	}
}

func (b *bridge) answer(w http.ResponseWriter, r *http.Request, first bool) {
	w.Header().Set("Content-Type", wire.StreamType)
	if first {
		_, _ = w.Write(wire.EncodeEvent(wire.EventOpen, wire.StreamOpen{Key: b.key}))
	}
	for {
		b.mu.Lock()
		frames, ended, code, changed := b.frames, b.ended, b.code, b.changed
		b.frames = nil
		b.mu.Unlock()
		for _, f := range frames {
			_, _ = w.Write(wire.AppendEvent(nil, wire.EventMessage, f))
		}
		if ended && code != 0 {
			_, _ = w.Write(wire.EncodeEvent(wire.EventClose, wire.StreamClose{Code: code}))
		}
		w.(http.Flusher).Flush()
		switch {
		case ended:
			b.drop()
			if code == 0 {
				panic(http.ErrAbortHandler)
			}
			return
		case b.poll && len(frames) > 0:
			b.absent.Reset(20 * time.Second) // a loaded machine may take that long to ask again
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			b.drop()
			return
		}
	}
}
