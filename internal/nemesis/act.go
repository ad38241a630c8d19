//go:build linux

package nemesis

import (
	"context"
	"fmt"
	"time"

	"github.com/editlock/editlock/internal/history"
	"github.com/editlock/editlock/wire"
)

// live visits one resource after the other, in all the ways that people have, until ctx is done.
func (p *page) live(ctx context.Context, resources int) {
	for p.stay(ctx) {
		x := p.random.Float64()
		p.come(ctx, fmt.Sprintf("article/%d", int(x*x*float64(resources)))) // some are wanted more than others
		if pause(ctx, p.between(20*time.Millisecond, 500*time.Millisecond)) != nil {
			break
		}
	}
	p.die()
}

// die is the end of a page that says nothing to anybody.
func (p *page) die() {
	p.mu.Lock()
	c := p.conn
	session := ""
	if c != nil {
		session = c.session
	}
	p.conn = nil
	p.mu.Unlock()
	p.forget()
	p.say(history.Line{Kind: history.Dead, Client: p.name, Session: session})
	if c != nil {
		c.drop()
	}
}

func target(resource string) wire.Target { return wire.Target{Resource: resource} }

func (p *page) acquire(ctx context.Context, resource string, wait, move bool) history.Line {
	return p.about(ctx, history.Line{Name: "acquire", Resource: resource, Wait: wait, Move: move}, func(id int64) wire.Request {
		return &wire.Acquire{ID: id, Target: target(resource), Wait: &wait, Move: move}
	})
}

func (p *page) confirm(ctx context.Context, resource string, fence int64) history.Line {
	return p.about(ctx, history.Line{Name: "confirm", Resource: resource, Fence: fence}, func(id int64) wire.Request {
		return &wire.Confirm{ID: id, Target: target(resource), Fence: fence}
	})
}

func (p *page) release(ctx context.Context, resource string, fence int64, version string) history.Line {
	p.mu.Lock()
	if p.held[resource] == fence {
		p.unhold(resource)
	}
	p.given = fence
	p.mu.Unlock()
	return p.about(ctx, history.Line{Name: "release", Resource: resource, Fence: fence, Version: version}, func(id int64) wire.Request {
		return &wire.Release{ID: id, Target: target(resource), Fence: fence, Version: version}
	})
}

func (p *page) cancel(ctx context.Context, resource string) history.Line {
	return p.about(ctx, history.Line{Name: "cancel", Resource: resource}, func(id int64) wire.Request {
		return &wire.Cancel{ID: id, Target: target(resource)}
	})
}

func (p *page) watch(ctx context.Context, resource string, fence int64) history.Line {
	return p.about(ctx, history.Line{Name: "watch", Resource: resource, Fence: fence}, func(id int64) wire.Request {
		return &wire.Watch{ID: id, Target: target(resource), Fence: fence}
	})
}

func (p *page) unwatch(ctx context.Context, resource string) {
	p.about(ctx, history.Line{Name: "unwatch", Resource: resource}, func(id int64) wire.Request {
		return &wire.Unwatch{ID: id, Target: target(resource)}
	})
}

// changed tells the others of a save.
func (p *page) changed(ctx context.Context, resource string, fence int64, version string) {
	p.about(ctx, history.Line{Name: "changed", Resource: resource, Fence: fence, Version: version}, func(id int64) wire.Request {
		return &wire.Changed{ID: id, Target: target(resource), Fence: fence, Version: version}
	})
}

// bye says that the page is left, and believes nothing from then on.
func (p *page) bye(ctx context.Context) {
	p.mu.Lock()
	p.byed = true
	for r := range p.held {
		p.unhold(r)
	}
	p.mu.Unlock()
	p.about(ctx, history.Line{Name: "bye"}, func(id int64) wire.Request { return &wire.Bye{ID: id} })
}

// come visits a resource.
func (p *page) come(ctx context.Context, resource string) {
	how := p.random.IntN(100)
	switch {
	case how < 8:
		p.watch(ctx, resource, 0)
		_ = pause(ctx, p.between(0, 600*time.Millisecond))
	case how < 9:
		p.reuse(ctx)
		return
	default:
		wait := how >= 24
		p.want(ctx, resource, wait, how >= 93, p.between(500*time.Millisecond, 20*time.Second))
	}
	if ctx.Err() == nil && p.connected() && !p.chance(60) {
		p.unwatch(ctx, resource)
	}
}

// want asks for the resource until it is had, or patience is over.
func (p *page) want(ctx context.Context, resource string, wait, move bool, patience time.Duration) {
	deadline := time.Now().Add(patience)
	asked := false
	for p.stay(ctx) {
		s, news := p.snap(resource)
		switch s.Mine {
		case "granted":
			if p.chance(40) { // the page is not there: the grant passes on
				if pause(ctx, p.between(time.Second, 14*time.Second)) != nil {
					return
				}
				if p.chance(300) {
					p.die()
					return
				}
				continue
			}
			if back := p.confirm(ctx, resource, s.Fence); back.Code != "ok" && pause(ctx, 150*time.Millisecond) != nil {
				return
			}
			continue
		case "held":
			p.hold(ctx, resource, s.Fence)
			return
		case "lapsed":
			p.drop() // only a resume takes it back
			continue
		case "absent":
			if time.Now().Before(deadline) && !p.chance(300) {
				if back := p.acquire(ctx, resource, true, false); back.Code != "ok" && pause(ctx, 200*time.Millisecond) != nil {
					return
				}
				continue
			}
		case "waiting":
		default:
			if asked && p.chance(500) {
				return
			}
			asked = true
			back := p.acquire(ctx, resource, wait, move)
			if back.Code == "locked" {
				return
			}
			if back.Code != "ok" && pause(ctx, 200*time.Millisecond) != nil {
				return
			}
			if !time.Now().Before(deadline) {
				return
			}
			continue
		}
		left := time.Until(deadline)
		if left <= 0 || p.chance(10) {
			if p.chance(100) { // or the tab is closed
				p.leave(ctx)
				return
			}
			p.cancel(ctx, resource)
			if s, _ := p.snap(resource); s.Mine == "held" {
				p.hold(ctx, resource, s.Fence)
			} else if s.Mine == "waiting" {
				continue // the answer was lost
			}
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-news:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// drop ends the connection; the page comes back.
func (p *page) drop() {
	p.mu.Lock()
	c := p.conn
	c.ended = true
	p.mu.Unlock()
	c.drop()
}

// leave closes the tab.
func (p *page) leave(ctx context.Context) {
	p.bye(ctx)
	p.die()
}

// hold edits for a while, and goes in one of many ways.
func (p *page) hold(ctx context.Context, resource string, fence int64) {
	version, ok := p.load(ctx, resource, fence)
	for saves := p.random.IntN(4); ok && saves > 0; saves-- {
		if pause(ctx, p.between(10*time.Millisecond, 300*time.Millisecond)) != nil {
			return
		}
		if p.chance(80) {
			if version, ok = p.accident(ctx, resource, fence, version); !ok {
				break
			}
		}
		if ok = p.stillHolds(ctx, resource, fence); !ok {
			break
		}
		if version, ok = p.save(ctx, resource, fence, version, false); ok && p.chance(300) {
			p.changed(ctx, resource, fence, fmt.Sprint(version))
		}
	}
	if !ok {
		if p.stay(ctx) {
			p.watch(ctx, resource, fence) // how did it end?
			if s, _ := p.snap(resource); s.Mine == "held" && s.Fence == fence {
				p.release(ctx, resource, fence, "") // it had not; the page gives up all the same
			}
		}
		return
	}
	switch how := p.random.IntN(100); {
	case how < 4:
		p.die() // crashed
	case how < 9:
		p.leave(ctx)
	case how < 12: // leaves, and is back before its time is over
		p.bye(ctx)
		p.drop()
		if p.stay(ctx) {
			p.finish(ctx, resource, fence, version)
		}
	default:
		p.finish(ctx, resource, fence, version)
	}
}

// finish releases until it is answered, sometimes twice, and sometimes late.
func (p *page) finish(ctx context.Context, resource string, fence, version int64) {
	for p.stay(ctx) {
		back := p.release(ctx, resource, fence, fmt.Sprint(version))
		if back.Code == "ok" {
			break
		}
		if back.Code != "lost" && pause(ctx, 200*time.Millisecond) != nil {
			return
		}
	}
	if p.chance(150) && pause(ctx, p.between(0, 300*time.Millisecond)) == nil && p.stay(ctx) {
		p.release(ctx, resource, fence, "")
	}
	if p.chance(50) && p.stay(ctx) {
		p.confirm(ctx, resource, fence) // late: stale
	}
}

// load is what a page does first with a grant: the application's fence rises, and only then its content is read.
func (p *page) load(ctx context.Context, resource string, fence int64) (version int64, ok bool) {
	for p.stillHolds(ctx, resource, fence) {
		a, answered := p.visit(ctx, visit{Resource: resource, Fence: fence})
		if answered {
			return a.Version, !a.Refused
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			break
		}
	}
	return 0, false
}

// stillHolds reports whether the page may save: one that is not sure comes back first, and asks.
func (p *page) stillHolds(ctx context.Context, resource string, fence int64) bool {
	for !p.believes(resource, fence) {
		if p.connected() {
			return false
		}
		if !p.stay(ctx) {
			return false
		}
		if s, _ := p.snap(resource); s.Mine != "held" || s.Fence != fence {
			return false
		}
	}
	return true
}

func (p *page) save(ctx context.Context, resource string, fence, base int64, rogue bool) (version int64, ok bool) {
	a, answered := p.visit(ctx, visit{Save: true, Resource: resource, Fence: fence, Base: base, Rogue: rogue})
	return a.Version, answered && !a.Refused
}

// accident is what befalls a page while it edits. It returns the version that the page goes on from.
func (p *page) accident(ctx context.Context, resource string, fence, version int64) (int64, bool) {
	switch p.random.IntN(6) {
	case 0: // the connection breaks
		p.drop()
		return version, p.stay(ctx)
	case 1, 2: // a reload: another document in the same tab
		p.bye(ctx)
		p.drop()
		if !p.stay(ctx) {
			return 0, false
		}
		return p.load(ctx, resource, fence)
	case 3, 4: // frozen for a while, perhaps for longer than its time
		p.freeze(ctx, p.between(time.Second, 9*time.Second))
		return version, p.stay(ctx)
	default: // stopped in a debugger, and saves without a second look
		p.freeze(ctx, p.between(14*time.Second, 24*time.Second))
		return p.save(ctx, resource, fence, version, true)
	}
}

func (p *page) freeze(ctx context.Context, d time.Duration) {
	p.mu.Lock()
	p.deaf = true
	p.mu.Unlock()
	_ = pause(ctx, d)
	p.mu.Lock()
	p.deaf = false
	p.mu.Unlock()
}

// reuse lets somebody else come with the resume token before the present one.
func (p *page) reuse(ctx context.Context) {
	if p.former == "" {
		return
	}
	c, err := p.dial()
	if err != nil {
		return
	}
	defer c.drop()
	c.ask(ctx, 5*time.Second, history.Line{Name: "reuse", Text: "reuse"}, func(id int64) wire.Request {
		return &wire.Hello{ID: id, Token: p.token, Nonce: nonce(), Resume: p.former}
	})
}
