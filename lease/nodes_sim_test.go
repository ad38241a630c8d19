package lease

import (
	"fmt"
	"maps"
	"time"
)

// simNode is a process that does with Liveness what a node does.
type simNode struct {
	s               *sim
	id              string
	gen             int // rises with each death: what was under way reaches nobody
	dead            bool
	cut, blind      bool // from the store; from its reads alone
	stopped         time.Duration
	rev             int64
	renewed, polled time.Time
	looked          time.Duration
	counts, busy    bool
	silences        Silences
	records         map[string]NodeRecord
	revs            map[string]int64
	sessions        map[int]simSession
	pulses          map[int]Pulse
	over            map[int]int64 // sessions that it is ending, by the revision that it ends
}

// run does something in the process, when it runs.
func (n *simNode) run(gen int, f func()) {
	switch {
	case n.gen != gen || n.dead:
	case n.stopped > n.s.now:
		n.s.at(n.stopped-n.s.now, func() { n.run(gen, f) })
	default:
		f()
	}
}

func (n *simNode) start() {
	n.dead, n.gen = false, n.gen+1
	n.pulses, n.over, n.sessions = map[int]Pulse{}, map[int]int64{}, map[int]simSession{}
	n.join()
	n.loop(n.gen)
}

// join takes a new id.
func (n *simNode) join() {
	n.s.starts++
	n.id, n.renewed, n.polled, n.counts, n.busy = fmt.Sprint("node", n.s.starts), time.Time{}, time.Time{}, false, false
	n.rev = n.s.next()
	n.look()
	n.silences = n.s.l.TakeUp(n.view(), n.records)
	n.s.records[n.id], n.s.revs[n.id] = NodeRecord{Silences: n.silences.Stored(n.named())}, n.rev
}

// look reads the store.
func (n *simNode) look() {
	n.records, n.revs = map[string]NodeRecord{}, map[string]int64{}
	for id, r := range n.s.records {
		n.records[id], n.revs[id] = r, n.s.revs[id]
	}
	clear(n.sessions)
	for id, c := range n.s.sessions {
		if !c.gone && c.rev > 0 {
			n.sessions[id] = *c
		}
	}
}

func (n *simNode) view() map[string]int64 {
	view := map[string]int64{}
	for _, c := range n.sessions {
		view[c.node] = 0
	}
	for id, r := range n.records {
		view[id] = r.Life(n.revs[id])
	}
	delete(view, n.id)
	return view
}

func (n *simNode) named() map[string]bool {
	named := map[string]bool{}
	for _, c := range n.sessions {
		named[c.node] = true
	}
	return named
}

func (n *simNode) loop(gen int) {
	n.run(gen, func() {
		if !n.busy {
			n.busy = true
			n.renew()
		}
		n.sweep()
		n.s.at(time.Second, func() { n.loop(gen) })
	})
}

func (n *simNode) renew() {
	s, id, sent, expect, silences := n.s, n.id, n.s.time(), n.rev, n.silences.Stored(n.named())
	var rev int64
	n.swap(func() bool {
		if s.revs[id] != expect {
			return false
		}
		rev = s.next()
		s.records[id], s.revs[id] = NodeRecord{Silences: silences}, rev
		return true
	}, func(ok bool) {
		n.busy = false
		if n.id != id {
			return
		}
		if !ok {
			switch {
			case s.down, n.cut, n.blind:
			case s.records[id].Ended != 0:
				n.join()
				n.pulses = map[int]Pulse{}
			default:
				n.rev = s.revs[id]
			}
			return
		}
		for i, p := range n.pulses {
			if s.l.Gap(n.renewed, s.time()) {
				n.pulses[i] = s.l.Afresh(p, s.time())
			} else {
				n.pulses[i] = s.l.Spared(p, n.renewed, s.time())
			}
		}
		n.rev, n.renewed = rev, sent
		if s.down || n.cut || n.blind {
			n.counts = false
			return
		}
		n.polled = s.time()
		had := maps.Clone(n.sessions)
		n.look()
		elapsed := s.now - n.looked
		if !n.counts {
			elapsed = 0
		}
		n.silences = s.l.Count(n.silences, n.view(), rev, elapsed)
		n.looked, n.counts = s.now, true
		for i := range n.pulses {
			if n.sessions[i].node != n.id {
				delete(n.pulses, i)
			}
		}
		for i, c := range n.sessions {
			switch _, known := n.pulses[i]; {
			case c.node != n.id || n.over[i] == c.rev:
			case !known:
				n.pulses[i] = s.l.Moved(s.time()) // another node may have acknowledged it
			case had[i].rev != c.rev:
				n.pulses[i] = s.l.Came(s.time()) // it has come back here, and the answer is under way yet
			}
		}
	})
}

func (n *simNode) vouches() bool { return n.s.l.Vouches(n.s.time(), n.renewed, n.polled) }

func (n *simNode) sweep() {
	if !n.vouches() {
		return
	}
	s := n.s
	for i := range len(s.sessions) {
		c, ok := n.sessions[i]
		if !ok {
			continue
		}
		if n.over[i] == c.rev {
			n.end(c) // again, until it is done
		} else if p, own := n.pulses[i]; own && c.node == n.id && p.Over(n.renewed) {
			delete(n.pulses, i)
			n.over[i] = c.rev
			n.end(c)
		} else if !own && c.node != n.id && s.l.Left(n.silences[c.node], c.rev, s.l.TTL) <= 0 {
			r, known := n.records[c.node]
			if !known || r.Ended != 0 {
				n.end(c)
				continue
			}
			expect := n.revs[c.node]
			n.swap(func() bool {
				if s.revs[c.node] != expect {
					return false
				}
				s.records[c.node], s.revs[c.node] = r.End(expect), s.next()
				s.nodesEnded++
				return true
			}, func(ok bool) {
				if ok {
					n.end(c)
				}
			})
		}
	}
}

func (n *simNode) end(c simSession) {
	n.swap(func() bool {
		real := n.s.sessions[c.id]
		if real.gone || real.rev != c.rev {
			return false
		}
		if real.gone = true; n.s.now < real.acked+n.s.l.TTL {
			n.s.broken = fmt.Sprintf("session %d was ended by %s, and acknowledged at %v", c.id, n.id, real.acked)
		}
		if real.alive && n.s.now > n.s.calm+3*time.Minute {
			n.s.broken = fmt.Sprintf("session %d was ended by %s though all was well", c.id, n.id)
		}
		n.s.ended++
		return true
	}, func(bool) {})
}

// resume takes a session over: one swap of its record.
func (n *simNode) resume(c *simSession) {
	sent, gen, id, expect, from := n.s.now, n.gen, n.id, c.rev, c.node
	n.run(gen, func() {
		var rev int64
		n.swap(func() bool {
			if c.gone || c.rev != expect {
				return false
			}
			rev = n.s.next()
			c.node, c.rev = id, rev
			return true
		}, func(ok bool) {
			if ok && n.id == id && c.rev == rev {
				n.pulses[c.id], n.sessions[c.id] = n.s.l.Came(n.s.time()), *c
				if from != id {
					n.pulses[c.id] = n.s.l.Moved(n.s.time())
				}
				if n.s.IntN(4) == 0 {
					return // the answer is lost, and the client keeps the connection that it had
				}
				c.at = n
				n.ack(c, sent)
			}
		})
	})
}

func (n *simNode) heard(c *simSession) {
	sent := n.s.now
	n.run(n.gen, func() {
		if p, own := n.pulses[c.id]; own {
			n.pulses[c.id] = n.s.l.Heard(p, n.s.time())
			n.ack(c, sent)
		}
	})
}

// ack is what the client believes from.
func (n *simNode) ack(c *simSession, sent time.Duration) {
	if !n.vouches() {
		return
	}
	c.acked = max(c.acked, sent)
	if c.gone && n.s.now < sent+n.s.l.TTL {
		n.s.broken = fmt.Sprintf("session %d is over, and was acknowledged by %s", c.id, n.id)
	}
}
