package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
)

// page is a tab of somebody: it does what docs/spec.md says a client does, believes what it may, and saves when it
// believes. All of it is guarded by w.mu, and so all its methods want that held.
type page struct {
	w     *world
	name  string // of the page, in the trace
	user  editlock.User
	ended chan struct{}

	// The machine.
	rate      float64       // of its clocks
	slept     time.Duration // by which its monotonic clock is behind
	set       time.Duration // by which its wall clock was set
	asleep    bool
	awake     time.Time // since when
	noSleep   time.Time // until when it does not fall asleep
	backlog   []func()
	cutUp     bool
	cutDown   bool
	life      int // of the tab: what was begun in an earlier one does not come
	openSince time.Time

	// The client.
	session   string
	epoch     int64
	nonce     string
	nonces    int
	l         *link
	old       *link // kept until welcomed on l
	helloSent lease.Clocks
	belief    lease.Belief
	welcomed  bool
	tries     int
	dials     int
	barks     time.Time // when the watchdog does
	guarded   int       // the life for which it is set
	nextID    int
	pending   map[int]func(*message)
	revs      map[string]int64
	early     []*editlock.Snapshot // what came before the welcome
	looksOn   map[string]bool      // what it asked for, or had when it came back, over this connection: it is told what becomes of that
	left      bool                 // it has said bye, and is read-only

	// The person.
	want        string // resource; empty: none
	asking      bool   // an acquire is under way
	fence       int64  // of the hold that the page has; 0: none
	loading     int64  // fence of the grant for which it loads
	sure        bool   // the hold is confirmed, as far as the page was told
	version     int    // of the content that it shows
	hidden      bool   // nobody confirms
	before      int64  // the fence of its hold before this one
	rude        bool   // leaves without a word
	compromised bool
}

func newPage(w *world, n int) *page {
	user := fmt.Sprintf("u%d", n%w.style.users)
	w.count.Skewed++
	p := &page{
		w: w, name: fmt.Sprintf("p%d/%s", n, user), user: editlock.User{ID: user, Name: user}, ended: make(chan struct{}),
		rate: 1 + 0.01*(w.rng.Float64()-0.5), awake: w.began,
	}
	return p
}

// live is the life of the person in front of the page.
func (p *page) live() {
	defer close(p.ended)
	p.w.mu.Lock()
	p.after(p.w.about(p.w.style.idle), p.arrive)
	p.w.mu.Unlock()
	<-p.w.ctx.Done()
}

// clocks reads the clocks of the page's machine.
func (p *page) clocks() lease.Clocks {
	now := time.Since(p.w.began)
	mono := now - p.slept
	if p.asleep {
		mono = p.awake.Sub(p.w.began) - p.slept // it stands
	}
	return lease.Clocks{Mono: time.Duration(float64(mono) * p.rate), Wall: time.Duration(float64(now)*p.rate) + p.set}
}

// believes reports whether the page would let its user save now.
func (p *page) believes() bool {
	return p.fence != 0 && p.sure && !p.left && p.belief.Holds(p.clocks())
}

// after calls f after d by the world's clock, when the machine is awake, unless the tab has gone by then.
func (p *page) after(d time.Duration, f func()) {
	life := p.life
	mine := func() {
		if p.life == life {
			f()
		}
	}
	p.w.later(d, func() { p.event(mine) })
}

// event does something on the machine, or keeps it until that wakes.
func (p *page) event(f func()) {
	switch {
	case p.w.done:
	case p.asleep:
		p.backlog = append(p.backlog, f)
	default:
		f()
	}
}

// sleep closes the lid for a while.
func (p *page) sleep(d time.Duration) {
	if p.asleep || time.Now().Before(p.noSleep) {
		return
	}
	p.w.sayLocked(p.name, "sleeps for %v", d)
	p.w.count.Sleeps++
	p.asleep, p.awake = true, time.Now()
	began := time.Now()
	time.AfterFunc(d, func() {
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		p.asleep, p.awake = false, time.Now()
		p.slept += time.Since(began)
		p.belief = p.belief.At(p.clocks()) // timers that became due are the first thing that runs
		p.w.sayLocked(p.name, "wakes")
		todo := p.backlog
		p.backlog = nil
		for _, f := range todo {
			p.event(f)
		}
	})
}

// arrive is the start of a visit.
func (p *page) arrive() {
	p.life++
	p.openSince = time.Now()
	p.rude, p.left = p.w.chance(p.w.style.rude), false
	if p.session == "" || p.w.chance(0.5) {
		p.session, p.epoch, p.compromised = "", 0, false
	}
	p.forgetTab()
	p.connect()
	p.wish()
}

// forgetTab is what a reload forgets: all but the session's token and the nonce.
func (p *page) forgetTab() {
	p.fence, p.loading, p.sure, p.asking = 0, 0, false, false
	p.pending, p.revs, p.looksOn = map[int]func(*message){}, map[string]int64{}, map[string]bool{}
	p.belief, p.welcomed = lease.Belief{}, false
	if p.nonce == "" {
		p.newNonce()
	}
}

func (p *page) newNonce() {
	p.nonces++
	p.nonce = fmt.Sprintf("%s-%d-%d", p.user.ID, p.nonces, p.w.rng.Uint64())
}

// wish makes the person want something, for a while.
func (p *page) wish() {
	p.want = fmt.Sprintf("doc/%d", p.w.pick(p.w.style.resources))
	p.hidden = p.w.chance(p.w.style.hidden)
	p.ask()
	p.after(p.w.about(8*p.w.style.hold)+10*time.Second, p.tire)
}

// tire makes the person give up waiting.
func (p *page) tire() {
	if p.want != "" && p.fence == 0 && p.loading == 0 {
		p.w.sayLocked(p.name, "does not want to wait any longer")
		p.giveUp()
		return
	}
}

func (p *page) giveUp() {
	want := p.want
	p.want = ""
	p.w.judge.cancelled(p.session, want)
	p.request(&message{kind: cancel, ask: editlock.Request{Resource: want}}, nil)
	if p.w.chance(0.5) {
		p.leave()
	} else {
		p.after(p.w.about(p.w.style.delay), p.wish) // changes its mind
	}
}

// ask asks for what is wanted.
func (p *page) ask() {
	if p.want == "" || p.asking || !p.welcomed || p.left {
		return
	}
	p.asking = true
	q := editlock.Request{Resource: p.want, NoWait: p.w.chance(0.1), Move: p.w.chance(0.3)}
	if q.Move {
		p.w.judge.moves(p.user.ID, q.Resource)
	}
	p.w.judge.asks(p.session, q.Resource)
	p.request(&message{kind: acquire, ask: q}, func(m *message) {
		p.looksOn[q.Resource] = p.looksOn[q.Resource] || m.err == nil
		p.asking = false
		if m.ask.Resource != p.want {
			p.mind(m.snap)
			return
		}
		var locked *editlock.LockedError
		switch {
		case errors.As(m.err, &locked):
			p.see(&locked.Snapshot)
			p.after(p.w.about(20*time.Second)+time.Second, p.ask)
		case m.err != nil:
			p.after(p.w.about(5*time.Second)+time.Second, p.ask)
		default:
			p.see(m.snap)
		}
	})
}

// request sends a request. then is called with its answer, if one comes over this connection.
func (p *page) request(m *message, then func(*message)) {
	if p.l == nil || !p.welcomed {
		return
	}
	p.nextID++
	m.id = p.nextID
	if then != nil {
		p.pending[m.id] = then
	}
	p.l.toNode(m)
}

// see takes a snapshot, unless it is older than what the page knows.
func (p *page) see(s *editlock.Snapshot) {
	if s == nil || s.Resource == "" || s.Revision < p.revs[s.Resource] {
		return
	}
	p.revs[s.Resource] = s.Revision
	if s.Resource != p.want || p.left {
		p.mind(s)
		return
	}
	switch s.Mine.State {
	case editlock.MineGranted:
		if p.fence != s.Mine.Fence && p.loading != s.Mine.Fence && !p.hidden {
			p.loads(s.Mine.Fence, false)
		}
	case editlock.MineHeld:
		if p.fence != s.Mine.Fence && p.loading != s.Mine.Fence { // it came back, and knows nothing any more
			p.loads(s.Mine.Fence, true)
		}
	case editlock.MineLapsed:
		p.lose()
		p.ask()
	case editlock.MineAbsent:
		p.lose()
		p.hidden = false
		p.ask()
	case editlock.MineNone:
		lost := p.fence != 0 || p.loading != 0
		p.lose()
		if lost {
			p.after(p.w.about(5*time.Second), p.ask)
		}
	case editlock.MineWaiting:
		p.lose()
	}
}

func (p *page) loads(fence int64, held bool) {
	p.loading = fence
	p.after(p.w.about(100*time.Millisecond), func() { p.load(fence, held) })
}

// mind gives back what the page does not want any more.
func (p *page) mind(s *editlock.Snapshot) {
	if s == nil {
		return
	}
	switch s.Mine.State {
	case editlock.MineHeld, editlock.MineLapsed:
		p.giveBack(s.Resource, s.Mine.Fence)
	case editlock.MineGranted, editlock.MineWaiting, editlock.MineAbsent:
		p.w.judge.cancelled(p.session, s.Resource)
		p.request(&message{kind: cancel, ask: editlock.Request{Resource: s.Resource}}, nil)
	}
}

func (p *page) lose() {
	if p.fence != 0 {
		p.w.sayLocked(p.name, "has lost %s with fence %d", p.want, p.fence)
	}
	p.fence, p.loading, p.sure = 0, 0, false
}
