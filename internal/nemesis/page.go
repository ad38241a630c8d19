//go:build linux

package nemesis

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/editlock/editlock/internal/history"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

var signingKey = mustKey(signingSecret)

func mustKey(secret string) *wire.Key {
	k, err := wire.ParseKey("", []byte(secret))
	if err != nil {
		panic(err)
	}
	return k
}

// page is one tab, for as long as that lives: it may be reloaded, and come back after any break.
type page struct {
	name, user string
	pid        int
	cable      string // address of the network that it has
	app        string // address of the application
	token      string
	random     *rand.Rand
	say        func(history.Line)
	web        *http.Client

	mu   sync.Mutex
	conn *conn
	news chan struct{} // closed and replaced at every news
	deaf bool          // frozen: no message is handled

	resume, nonce, former string           // former: the resume token before this one
	byed                  bool             // said bye, and has not resumed since
	held                  map[string]int64 // the fences in which it believes
	given                 int64            // the last fence that it has released: what still says otherwise is old
}

func newPage(name, user string, pid int, cable, app string, random *rand.Rand, say func(history.Line)) *page {
	token, err := mustKey(accessSecret).Sign("JWT", map[string]any{
		"sub": user, "name": strings.ToUpper(user[:1]) + user[1:], "rights": []string{"edit:**"},
		"iss": "app", "aud": "editlock", "exp": time.Now().Add(5 * time.Hour).Unix(),
	})
	if err != nil {
		panic(err)
	}
	p := &page{name: name, user: user, pid: pid, cable: cable, app: app, token: token, random: random, say: say,
		web: &http.Client{Timeout: 20 * time.Second}, news: make(chan struct{}), held: map[string]int64{}}
	p.nonce = nonce()
	return p
}

// between is a random time.
func (p *page) between(from, to time.Duration) time.Duration {
	return from + time.Duration(p.random.Int64N(int64(to-from)+1))
}

// chance is true so many times of a thousand.
func (p *page) chance(n int) bool { return p.random.IntN(1000) < n }

// wake tells those who wait for news. p.mu is held.
func (p *page) wake() {
	close(p.news)
	p.news = make(chan struct{})
}

// take takes up a snapshot that came over c. An older one is ignored.
func (p *page) take(c *conn, s history.Snap) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.Rev < c.known[s.Resource].Rev {
		return
	}
	c.known[s.Resource] = s
	if p.conn == c {
		p.settle(s)
		p.wake()
	}
}

// settle takes note of what begins or ends by a snapshot. p.mu is held.
func (p *page) settle(s history.Snap) {
	was, is := p.held[s.Resource], int64(0)
	if s.Mine == "held" && !p.byed && s.Fence != p.given {
		is = s.Fence
	}
	if was != 0 && was != is {
		p.unhold(s.Resource)
	}
	if is != 0 && was != is {
		p.held[s.Resource] = is
		at := clocks()
		p.say(history.Line{Kind: history.Hold, Client: p.name, Session: p.conn.session, Resource: s.Resource, Fence: is,
			Until: int64(at.Mono + p.conn.belief.Left(at))})
	}
}

// unhold ends the belief in one resource. p.mu is held.
func (p *page) unhold(resource string) {
	if f := p.held[resource]; f != 0 {
		delete(p.held, resource)
		p.say(history.Line{Kind: history.Unhold, Client: p.name, Resource: resource, Fence: f})
	}
}

// believes reports whether the page may save with this fence now.
func (p *page) believes(resource string, fence int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[resource] == fence && p.conn != nil && p.conn.belief.Holds(clocks())
}

// connected reports whether there is a connection that can be used: a belief that has lapsed comes back by a resume only.
func (p *page) connected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn != nil && !p.conn.ended && p.conn.belief.Holds(clocks())
}

// connect makes one attempt to connect, and to resume the session if there is one.
func (p *page) connect(ctx context.Context) bool {
	p.mu.Lock()
	old := p.conn
	p.mu.Unlock()
	if old != nil && p.chance(300) { // otherwise it stays open, as one that nobody knows to be dead
		old.drop()
	}
	c, err := p.dial()
	if err != nil {
		return false
	}
	for range 2 {
		sent := clocks()
		f, back := c.ask(ctx, 6*time.Second, history.Line{Name: "hello", Text: p.coming()}, func(id int64) wire.Request {
			sent = clocks()
			return &wire.Hello{ID: id, Token: p.token, Nonce: p.nonce, Resume: p.resume}
		})
		switch f := f.(type) {
		case *wire.Welcome:
			p.welcomed(c, f, back, sent)
			if old != nil {
				old.drop()
			}
			return true
		case *wire.Error:
			if f.Code == wire.ResumeRefused {
				p.forget()
				continue // a new session, on the same connection
			}
			if f.Code == wire.ResumeReused {
				p.forget()
			}
		}
		break
	}
	c.drop()
	return false
}

// coming says what a hello is for.
func (p *page) coming() string {
	if p.resume == "" {
		return "begin"
	}
	return "resume"
}

// forget ends all that the page knows of its session.
func (p *page) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := range p.held {
		p.unhold(r)
	}
	p.resume, p.former, p.nonce, p.byed = "", "", nonce(), false
}

func (p *page) welcomed(c *conn, w *wire.Welcome, back history.Line, sent lease.Clocks) {
	ttl, margin := seconds(w.TTL), seconds(w.Margin)
	p.mu.Lock()
	p.former, p.resume, p.nonce, p.byed = p.resume, w.Resume, nonce(), false
	c.session = w.Session
	c.belief = lease.Believe(sent, ttl, margin)
	p.conn = c
	for _, s := range back.Snaps {
		if s.Rev >= c.known[s.Resource].Rev { // news may have come already
			c.known[s.Resource] = s
		}
	}
	for r := range p.held {
		if _, there := c.known[r]; !there {
			p.unhold(r)
		}
	}
	for _, s := range c.known {
		p.settle(s)
	}
	at := clocks()
	p.say(history.Line{Kind: history.Heard, T: int64(at.Mono), Client: p.name, Session: w.Session, Conn: c.number, Port: c.port(),
		Sent: int64(sent.Mono), Until: int64(at.Mono + c.belief.Left(at))})
	p.wake()
	p.mu.Unlock()
}

func seconds(s wire.Seconds) time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// stay connects, as often as it takes, and reports whether it is still to go on.
func (p *page) stay(ctx context.Context) bool {
	for wait := 20 * time.Millisecond; !p.connected(); wait = min(2*wait, 800*time.Millisecond) {
		if ctx.Err() != nil {
			return false
		}
		if p.connect(ctx) {
			break
		}
		if pause(ctx, p.between(wait/2, wait)) != nil {
			return false
		}
	}
	return ctx.Err() == nil
}

// about makes a request about a resource on the present connection. Whoever gets no answer may ask again.
func (p *page) about(ctx context.Context, l history.Line, make func(id int64) wire.Request) history.Line {
	p.mu.Lock()
	c := p.conn
	p.mu.Unlock()
	_, back := c.ask(ctx, 8*time.Second, l, make)
	return back
}

func (p *page) snap(resource string) (history.Snap, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn.known[resource], p.news
}

// visit asks the application. A failure is no answer.
func (p *page) visit(ctx context.Context, v visit) (answer, bool) {
	v.Client = p.name
	p.mu.Lock()
	if p.conn != nil {
		v.Session = p.conn.session
	}
	p.mu.Unlock()
	body, err := json.Marshal(v)
	if err != nil {
		return answer{}, false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.app, bytes.NewReader(body))
	if err != nil {
		return answer{}, false
	}
	resp, err := p.web.Do(req)
	if err != nil {
		return answer{}, false
	}
	defer func() { _ = resp.Body.Close() }()
	var a answer
	return a, json.NewDecoder(resp.Body).Decode(&a) == nil
}
