package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/editlock/editlock/web"
)

// message is a frame as docs/spec.md writes it.
type message map[string]any

// peer is a server that speaks the protocol for the page under test, with one resource at a time in the hands of the
// test: who holds it, what is answered, when the connection dies. It is no lock server: it does what it is told.
type peer struct {
	t   testing.TB
	srv *httptest.Server

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced when anything happened
	ttl       float64
	margin    float64
	heartbeat float64
	frames    []message // everything that clients said, with "session"
	byes      int
	links     map[*gws.Conn]*link
	sessions  map[string]*session
	things    map[string]*thing
	last      int64 // fences, revisions, names
	refuse    map[string]message
	mute      bool // answers nothing any more, and sends no pings
	down      bool // refuses connections
	closed    bool // refuses WebSockets, as a proxy may
	swallows  bool // lets WebSockets open, and nothing through them, as a proxy may
	upgrades  int  // asked for, closed or not
	streams   int  // opened
	missed    int  // streams that were refused
	keepsBack bool // the answers of streams, as a proxy may
	user      func(*http.Request) (id, name string)
	pages     map[string]http.HandlerFunc
	tokens    int
	lifetime  float64 // seconds of an access token
}

type session struct {
	id, user, name string
	epoch          int
	resume, nonce  string
	link           *link
	gone           bool
}

type link struct {
	conn    *gws.Conn
	session *session
	watches map[string]bool
	pinged  int
	acked   int
}

// thing is a resource. Its holder is a session, or somebody without a page, named by the test.
type thing struct {
	name      string
	revision  int64
	holder    string // session id, or "@Ana"
	confirmed bool
	lapsed    bool
	fence     int64
	since     time.Time
	queue     []string
	version   string
	ended     map[string]message // by session
}

func newPeer(t testing.TB) *peer {
	p := &peer{
		t: t, changed: make(chan struct{}), ttl: 30, margin: 3, heartbeat: 7.5,
		links: map[*gws.Conn]*link{}, sessions: map[string]*session{}, things: map[string]*thing{},
		last: 1000, lifetime: 900, refuse: map[string]message{}, pages: map[string]http.HandlerFunc{},
		user: func(*http.Request) (string, string) { return "7", "Ben" },
	}
	upgrader := gws.NewUpgrader(p, &gws.ServerOption{SubProtocols: []string{"editlock.v1"}})
	nowhere := gws.NewUpgrader(&gws.BuiltinEventHandler{}, &gws.ServerOption{SubProtocols: []string{"editlock.v1"}})
	mux := http.NewServeMux()
	mux.Handle("/editlock/", web.Handler())
	mux.HandleFunc("/editlock/v1/socket", func(w http.ResponseWriter, r *http.Request) {
		bridged := r.Header.Get("X-Bridge") != ""
		refused, swallowed := false, false
		p.do(func() {
			refused, swallowed = p.down || p.closed && !bridged, p.swallows && !bridged
			if !bridged {
				p.upgrades++
			}
		})
		if refused {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		to := upgrader
		if swallowed {
			to = nowhere
		}
		if conn, err := to.Upgrade(w, r); err == nil {
			go conn.ReadLoop()
		}
	})
	mux.Handle("POST /editlock/v1/stream/{name}", &bridges{p: p, of: map[string]*bridge{}})
	mux.HandleFunc("POST /editlock/v1/bye", p.bye)
	mux.HandleFunc("/editlock/token", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.tokens++
		p.mu.Unlock()
		id, name := p.user(r)
		fmt.Fprintf(w, `{"token":%q}`, id+":"+name)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		page := p.pages[r.URL.Path]
		p.mu.Unlock()
		if page == nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		page(w, r)
	})
	p.srv = httptest.NewServer(noSockets(mux))
	t.Cleanup(func() {
		p.mu.Lock()
		for conn := range p.links {
			conn.NetConn().Close()
		}
		p.mu.Unlock()
		p.srv.CloseClientConnections()
		p.srv.Close()
	})
	return p
}

// page serves a document.
func (p *peer) page(path, html string) string {
	p.serve(path, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, html) })
	return p.srv.URL + path
}

func (p *peer) serve(path string, handle http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pages[path] = handle
}

// do changes the peer's world, and wakes whoever waits for it.
func (p *peer) do(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.wake()
}

func (p *peer) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait waits until something is so.
func (p *peer) wait(what string, holds func() bool) {
	p.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		p.mu.Lock()
		ok, changed := holds(), p.changed
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			p.t.Fatalf("peer: never: %s\nframes: %v", what, p.said())
		}
	}
}

// said lists what clients have asked so far, without heartbeats.
func (p *peer) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, f := range p.frames {
		if f["type"] == "pong" {
			continue
		}
		all = append(all, fmt.Sprint(f["type"]))
	}
	return all
}

func (p *peer) count(kind string) int {
	n := 0
	for _, said := range p.said() {
		if said == kind {
			n++
		}
	}
	return n
}

func (p *peer) thing(name string) *thing {
	t := p.things[name]
	if t == nil {
		p.last++
		t = &thing{name: name, revision: p.last, ended: map[string]message{}}
		p.things[name] = t
	}
	return t
}

// give lets somebody who has no page hold the resource.
func (p *peer) give(name, person string) {
	p.do(func() {
		t := p.thing(name)
		p.last++
		t.holder, t.fence, t.confirmed, t.lapsed, t.since = "@"+person, p.last, true, false, time.Now().Add(-3*time.Minute)
		p.tell(t)
	})
}

// free ends the present holding for a reason, with the version saved, and lets the next one in.
func (p *peer) free(name, reason, version string) {
	p.do(func() { p.end(p.thing(name), reason, version, true) })
}

// take ends the present holding for a reason, in favour of somebody without a page.
func (p *peer) take(name, reason, person string) {
	p.do(func() { p.end(p.thing(name), reason, "", false) })
	p.give(name, person)
}

func (p *peer) end(t *thing, reason, version string, next bool) {
	if t.holder != "" {
		t.ended[t.holder] = message{"fence": t.fence, "reason": reason, "at": stamp(time.Now())}
	}
	t.holder, t.fence, t.confirmed, t.lapsed = "", 0, false, false
	if version != "" {
		t.version = version
	}
	if next && len(t.queue) > 0 {
		first := t.queue[0]
		t.queue = t.queue[1:]
		p.grant(t, first)
	}
	p.tell(t)
}

func (p *peer) grant(t *thing, to string) {
	p.last++
	t.holder, t.fence, t.since, t.confirmed, t.lapsed = to, p.last, time.Now(), strings.HasPrefix(to, "@"), false
}

// tell pushes the snapshot to everybody who watches.
func (p *peer) tell(t *thing) {
	p.last++
	t.revision = p.last
	for _, l := range p.links {
		if l.session == nil || p.mute {
			continue
		}
		for watched := range l.watches {
			if watched == t.name || (strings.HasSuffix(watched, "/") && strings.HasPrefix(t.name, watched)) {
				l.send(p.snapshot(t, l.session.id, true))
				break
			}
		}
	}
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

func (p *peer) snapshot(t *thing, me string, push bool) message {
	m := message{"resource": t.name, "revision": t.revision, "state": "free", "waiting": len(t.queue)}
	if push {
		m["type"] = "snapshot"
	}
	if t.version != "" {
		m["version"] = t.version
	}
	if t.holder != "" {
		m["state"] = "held"
		h := message{"since": stamp(t.since), "held_for": time.Since(t.since).Seconds(), "you": t.holder == me, "yours": false}
		if name, ok := strings.CutPrefix(t.holder, "@"); ok {
			h["user"], h["name"] = "u-"+name, name
		} else if s := p.sessions[t.holder]; s != nil {
			h["user"], h["name"] = s.user, s.name
			h["yours"] = t.holder != me && p.sessions[me] != nil && p.sessions[me].user == s.user
		}
		m["holder"] = h
	}
	switch {
	case t.holder == me && t.lapsed:
		m["state"] = "lapsed"
		m["mine"] = message{"state": "lapsed", "fence": t.fence, "since": stamp(t.since)}
	case t.holder == me && t.confirmed:
		m["mine"] = message{"state": "held", "fence": t.fence, "token": p.token(t), "expires_in": p.ttl - 2, "since": stamp(t.since)}
	case t.holder == me:
		m["mine"] = message{"state": "granted", "fence": t.fence, "confirm_within": 10, "since": stamp(t.since)}
	default:
		for i, waiter := range t.queue {
			if waiter == me {
				m["mine"] = message{"state": "waiting", "position": i + 1, "since": stamp(time.Now())}
			}
		}
		if ended := t.ended[me]; ended != nil {
			m["ended"] = ended
		}
	}
	return m
}

func (p *peer) token(t *thing) string { return fmt.Sprintf("lock-token-%d", t.fence) }

func (l *link) send(m message) {
	data, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	l.conn.WriteAsync(gws.OpcodeText, data, nil)
}
