package sim

import (
	"context"
	"time"

	"github.com/editlock/editlock"
)

// load fetches the content for a new holder, which raises the fence of the row before it reads, and then confirms.
func (p *page) load(fence int64, held bool) {
	if p.loading != fence {
		return
	}
	version, ok := p.w.app.load(p.want, fence)
	if !ok {
		p.loading = 0
		p.w.judge.cancelled(p.session, p.want)
		p.giveBack(p.want, fence)
		return
	}
	p.version = version
	if held {
		p.begin(fence)
		return
	}
	want := p.want
	p.request(&message{kind: confirm, ask: editlock.Request{Resource: want}, fence: fence}, func(m *message) {
		if p.want != want || p.loading != fence {
			return
		}
		if m.err != nil {
			p.loading = 0
			p.see(m.snap)
			p.after(time.Second, p.ask)
			return
		}
		p.w.count.Confirms++
		p.begin(fence)
	})
}

// begin begins to edit.
func (p *page) begin(fence int64) {
	p.fence, p.sure, p.loading = fence, true, 0
	p.w.sayLocked(p.name, "edits %s with fence %d", p.want, fence)
	if p.w.chance(0.05) { // what a mistaken client says changes nothing
		p.w.judge.cancelled(p.session, p.want) // if it comes so late that it waits again
		p.request(&message{kind: cancel, ask: editlock.Request{Resource: p.want}}, nil)
	}
	if p.w.chance(0.05) && p.before != 0 && p.before < fence {
		p.request(&message{kind: release, ask: editlock.Request{Resource: p.want}, fence: p.before}, nil)
	}
	p.before = fence
	p.w.judge.begun(p)
	life, want := p.life, p.want
	p.after(p.w.about(p.w.style.hold), func() { p.finish(want, fence) })
	var again func()
	again = func() {
		if p.life == life && p.fence == fence && p.want == want {
			p.save()
			p.after(time.Second+p.w.about(p.w.style.hold/4), again)
		}
	}
	p.after(p.w.about(p.w.style.hold/4), again)
}

// save saves, if the page believes that it may.
func (p *page) save() {
	if !p.believes() {
		return
	}
	p.w.judge.saving(p)
	fence, base, want, life := p.fence, p.version, p.want, p.life
	// The request of the save takes its time, too.
	p.w.later(p.w.about(p.w.style.delay), func() {
		if version, ok := p.w.app.save(want, fence, base); ok && p.life == life && p.fence == fence {
			p.version = version
		}
	})
}

// finish ends the editing, in one of the ways in which people do.
func (p *page) finish(want string, fence int64) {
	if p.fence != fence || p.want != want {
		return
	}
	switch {
	case p.rude:
		p.vanish()
	case p.w.chance(0.2):
		p.leave()
	case !p.w.calm && p.w.chance(0.1):
		p.sleep(p.w.about(2 * p.w.style.ttl))
		p.after(p.w.about(p.w.style.hold), func() { p.finish(want, fence) })
	default:
		p.giveBack(want, fence)
		p.lose()
		p.want = ""
		switch {
		case p.w.chance(0.3):
			p.leave()
		case p.w.chance(0.2):
			p.after(p.w.about(p.w.style.delay), p.wish) // wants it back, perhaps
		default:
			p.after(p.w.about(p.w.style.idle), p.wish)
		}
	}
}

func (p *page) giveBack(want string, fence int64) {
	p.w.judge.released(p.session, p.epoch, want, fence)
	if p.fence == fence {
		p.fence, p.sure = 0, false
	}
	p.request(&message{kind: release, ask: editlock.Request{Resource: want}, fence: fence}, nil)
}

// leave closes the tab with a bye.
func (p *page) leave() {
	p.w.sayLocked(p.name, "leaves")
	if p.session != "" {
		p.w.judge.left(p.session, p.epoch)
	}
	p.bye()
	p.gone()
	p.after(p.w.about(p.w.style.idle), p.arrive)
}

// bye is what a page says with its last breath, beside its connection: it may arrive late, or nowhere.
func (p *page) bye() {
	p.left = true
	to := p.w.reachable()
	if to == nil || p.session == "" || p.cutUp {
		return
	}
	session, epoch := p.session, p.epoch
	p.w.sayLocked(p.name, "says bye, epoch %d", epoch)
	p.w.in(time.Millisecond+p.w.about(4*p.w.style.delay), func() {
		ctx, cancel := context.WithTimeout(p.w.ctx, 10*time.Second)
		defer cancel()
		if to.running() {
			_ = to.m.Bye(ctx, session, epoch)
		}
	})
}

// vanish is a crash, or the end of the battery: nobody hears anything, and the tab does not come back.
func (p *page) vanish() {
	p.w.sayLocked(p.name, "vanishes")
	p.w.count.Crashes++
	p.session, p.epoch, p.compromised = "", 0, false
	if p.l != nil {
		p.l.over = true // half open
		if p.w.chance(0.5) {
			p.l.over = false
			p.l.drop()
		}
	}
	p.gone()
	p.after(p.w.about(p.w.style.idle), p.arrive)
}

// reload is a bye, and a new page with the same session at once.
func (p *page) reload() {
	if !p.welcomed || p.left || p.asleep {
		return
	}
	p.w.sayLocked(p.name, "reloads")
	p.w.count.Reloads++
	p.w.judge.left(p.session, p.epoch)
	p.bye()
	want := p.want
	p.gone()
	p.after(p.w.about(500*time.Millisecond), func() {
		p.left = false
		p.forgetTab()
		p.want, p.hidden = want, false
		p.connect()
		if want == "" {
			p.wish()
			return
		}
		p.after(p.w.about(8*p.w.style.hold)+10*time.Second, p.tire)
	})
}

// gone is the end of the tab.
func (p *page) gone() {
	p.life++
	p.want, p.fence, p.loading, p.sure, p.asking, p.welcomed = "", 0, 0, false, false, false
	if p.l != nil {
		p.l.drop()
	}
	if p.old != nil {
		p.old.drop()
	}
	p.l, p.old = nil, nil
}

// app is the application: a table of rows whose fence rises at every load by a holder, before the content is read.
type app struct {
	w    *world
	rows map[string]*row
}

type row struct {
	fence   int64
	version int
}

func (a *app) row(resource string) *row {
	r := a.rows[resource]
	if r == nil {
		r = &row{}
		a.rows[resource] = r
	}
	return r
}

func (a *app) load(resource string, fence int64) (version int, ok bool) {
	r := a.row(resource)
	if fence < r.fence {
		return 0, false
	}
	r.fence = fence
	return r.version, true
}

// save is `UPDATE … SET content = …, fence = f WHERE id = … AND fence <= f`.
func (a *app) save(resource string, fence int64, base int) (version int, ok bool) {
	r := a.row(resource)
	if fence < r.fence {
		a.w.count.Refused++
		return 0, false
	}
	if fence == r.fence && base > r.version || fence > r.fence {
		a.w.judge.violate("S3", "%s was saved with fence %d over version %d that it had not loaded", resource, fence, r.version)
	}
	r.fence = fence
	r.version++
	a.w.count.Saves++
	return r.version, true
}
