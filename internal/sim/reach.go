package sim

import (
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
)

// connect opens a connection to one of the nodes, and says hello.
func (p *page) connect() {
	p.dials++
	dial := p.dials
	p.tries++
	to := p.w.reachable()
	if to == nil || p.cutUp || p.cutDown {
		p.again(lost)
		return
	}
	l := newLink(p, to)
	if p.l != nil {
		if p.old != nil {
			p.old.drop()
		}
		p.old = p.l
	}
	p.l, p.welcomed, p.early = l, false, nil
	p.helloSent = p.clocks()
	m := &message{kind: hello, user: p.user, nonce: p.nonce, sent: time.Now()}
	if p.session != "" {
		m.resume = &editlock.Resume{Session: p.session, Epoch: p.epoch}
		p.w.judge.resuming(p.session)
	}
	l.toNode(m)
	p.after(10*time.Second, func() {
		if p.dials == dial && !p.welcomed {
			p.drop()
			p.again(lost)
		}
	})
}

// drop ends the connection without a word to the page's session.
func (p *page) drop() {
	if p.l != nil {
		p.l.drop()
	}
	p.l, p.welcomed = nil, false
	p.pending, p.asking = map[int]func(*message){}, false
}

// again comes back after a while: at once, spread over 4 s, for the first time; then after a random time.
func (p *page) again(c code) {
	dial := p.dials
	wait := p.w.between(0, 4*time.Second)
	if p.tries > 1 || c == noPong {
		most := 20 * time.Second
		if p.fence != 0 {
			most = 5 * time.Second
		}
		wait = p.w.between(500*time.Millisecond, most)
	}
	p.after(wait, func() {
		if p.dials == dial && !p.left {
			p.connect()
		}
	})
}

// gets takes a message that has arrived.
func (p *page) gets(l *link, m *message) {
	p.event(func() {
		switch {
		case l == p.l:
			p.take(m)
		case l == p.old && p.old != nil:
			if m.kind == closed {
				p.old = nil
			} else if m.kind == ping { // the old connection counts until the new one is there
				l.toNode(&message{kind: pong, ping: m.ping, sent: time.Now()})
			}
		}
	})
}

func (p *page) take(m *message) {
	switch m.kind {
	case welcome:
		p.welcome(m)
	case answer:
		if then := p.pending[m.id]; then != nil && p.welcomed {
			delete(p.pending, m.id)
			then(m)
		}
	case push:
		if !p.welcomed { // it overtook the welcome
			p.early = append(p.early, m.snap)
		} else {
			p.see(m.snap)
		}
	case ping:
		p.ping(m)
	case move:
		p.after(p.w.between(0, m.within), func() {
			if p.welcomed {
				p.tries = 0
				p.connect()
			}
		})
	case closed:
		p.w.sayLocked(p.name, "is closed with %d", m.code)
		p.l, p.welcomed = nil, false
		p.pending, p.asking = map[int]func(*message){}, false
		switch m.code {
		case replaced, reused: // somebody has a copy of the session: this tab begins anew
			if !p.compromised {
				p.w.judge.violate("S6", "%s lost its session to nobody, code %d", p.name, m.code)
			}
			p.session, p.epoch, p.compromised = "", 0, false
			p.newNonce()
			p.lose()
			p.tries = 0
		case refusedHello:
		default:
			p.tries = min(p.tries, 1)
		}
		p.again(m.code)
	}
}

func (p *page) welcome(m *message) {
	if p.welcomed {
		return
	}
	if p.session != "" && p.session != m.session {
		p.lose() // its session is over, and this is a new one
		p.asking = false
	}
	p.session, p.epoch, p.welcomed, p.tries = m.session, m.epoch, true, 0
	p.newNonce()
	cfg := p.w.managerConfig("")
	ttl := p.w.style.ttl
	p.belief = lease.Believe(p.helloSent, ttl, cfg.Margin())
	p.revs, p.looksOn = map[string]int64{}, map[string]bool{}
	p.w.sayLocked(p.name, "is welcome, epoch %d", p.epoch)
	p.guard()
	if p.old != nil {
		p.old.drop()
		p.old = nil
	}
	had := p.fence
	still := false
	for _, s := range m.snapshots {
		p.looksOn[s.Resource] = true
		still = still || s.Resource == p.want && s.Mine.State == editlock.MineHeld && s.Mine.Fence == had
		p.see(&s)
	}
	for _, s := range p.early {
		p.see(s)
	}
	p.early = nil
	if had != 0 && !still {
		p.lose()
	}
	p.asking = false
	if p.fence == 0 {
		p.ask()
	}
}

func (p *page) ping(m *message) {
	now := p.clocks()
	if p.l == nil {
		return
	}
	p.l.toNode(&message{kind: pong, ping: m.ping, sent: time.Now()})
	p.belief = p.belief.Ponged(m.ping, now).Acked(m.ack, now)
	if p.fence != 0 && !p.belief.Holds(now) { // comes back only by a resume
		p.tries = 0
		p.drop()
		p.connect()
		return
	}
	p.guard()
}

// guard sets the watchdog.
func (p *page) guard() {
	beat := min(10*time.Second, p.w.style.ttl/4)
	patience := lease.Watchdog(beat, min(8*time.Second, beat))
	p.barks = time.Now().Add(patience)
	if p.guarded != p.life {
		p.guarded = p.life
		p.after(patience, p.bark)
	}
}

// bark is the watchdog's: it looks again later if there was something to hear meanwhile.
func (p *page) bark() {
	p.guarded = 0
	if p.l == nil || !p.welcomed {
		return
	}
	if left := time.Until(p.barks); left > 0 {
		p.guarded = p.life
		p.after(left, p.bark)
		return
	}
	p.w.sayLocked(p.name, "hears nothing any more")
	p.drop()
	p.tries = 0
	p.connect()
}

// reachable draws a node that answers: nil if there is none.
func (w *world) reachable() *process {
	var list []*process
	for _, h := range w.hosts {
		if h.now != nil && h.now.ready {
			list = append(list, h.now)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[w.pick(len(list))]
}

func newResume(session string, epoch int64) *editlock.Resume {
	return &editlock.Resume{Session: session, Epoch: epoch}
}
