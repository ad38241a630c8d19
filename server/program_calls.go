package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

// callAcquire asks for a lock, and waits for it as long as the caller wants to.
func (s *Server) callAcquire(c *call, in *wire.AcquireCall) (*wire.Granted, error) {
	name, err := lease.ParseResource(in.Resource)
	if err != nil {
		return nil, err
	}
	if err := c.may(verbEdit, name); err != nil {
		return nil, err
	}
	wait := in.Wait.Duration()
	if wait > 0 {
		// The http.Server may want answers sooner than that. It sets its deadlines afresh for the next request.
		_ = c.control.SetReadDeadline(time.Time{})
		_ = c.control.SetWriteDeadline(time.Time{})
	}
	p, err := s.enter(c, in.Session, in.Nonce, true)
	if err != nil {
		return nil, err
	}
	fresh := !p.conn.Resumed() && in.Session != p.token()
	c.after = func(lost bool) { // a panic in between leads here too
		if lost && fresh {
			p.leave(forsake) // nobody hears of this session
		} else {
			p.leave(goesOn)
		}
	}
	held, err := s.attempt(c, p, editlock.Request{Resource: name, NoWait: wait == 0, Move: in.Move}, wait)
	if err == nil || c.r.Context().Err() != nil {
		return held, err
	}
	goes := true
	if told(err).Code != wire.UnknownOutcome { // then it may have been granted, and only this session can find out
		c.after = nil
		goes = p.leave(ifIdle)
	}
	var f *failure
	if errors.As(err, &f) && goes && !errors.Is(err, editlock.ErrReplaced) {
		token := p.token()
		f.fill = then(f.fill, func(pr *wire.Problem) { pr.Session = token })
	}
	return nil, err
}

// then does one thing after another.
func then(f, g func(*wire.Problem)) func(*wire.Problem) {
	return func(p *wire.Problem) { f(p); g(p) }
}

// attempt asks until the lock is the program's or its time is over.
func (s *Server) attempt(c *call, p *program, ask editlock.Request, wait time.Duration) (*wire.Granted, error) {
	w, stop := p.listen(ask.Resource)
	defer stop()
	var patience <-chan time.Time
	waiting := false
	defer func() {
		if waiting {
			s.api.waits.leave(p.user)
		}
	}()
	again := func() (editlock.Snapshot, error) {
		select {
		case <-w.givenUp:
			return editlock.Snapshot{}, errGivenUp
		default:
			return p.ask(ask)
		}
	}
	snap, err := p.ask(ask)
	for {
		if err != nil {
			return nil, s.refusal(c, p, snap, err)
		}
		switch snap.Mine.State {
		case editlock.MineHeld:
			return s.granted(c, p, snap)
		case editlock.MineGranted:
			if c.r.Context().Err() != nil {
				return nil, s.refusal(c, p, snap, c.r.Context().Err()) // nobody is there to confirm it
			}
			p.conn.Heard()
			snap, err = p.confirm(snap)
			if errors.Is(err, editlock.ErrStale) {
				snap, err = again() // it came too late, and waits again
			}
			continue
		case editlock.MineWaiting:
		default: // skipped, or not in the queue any more
			snap, err = again()
			if err != nil || snap.Mine.State != editlock.MineWaiting {
				continue
			}
		}
		if !waiting {
			if waiting = s.api.waits.enter(p.user); !waiting {
				return nil, s.refusal(c, p, snap, errEnough)
			}
			t := time.NewTimer(time.Until(c.received.Add(wait)))
			defer t.Stop()
			patience = t.C
		}
		alive := time.NewTimer(s.opts.Heartbeat)
		select {
		case snap = <-w.news:
		case <-w.givenUp:
			err = errGivenUp
		case <-alive.C:
			p.conn.Heard() // its request is there, and so is it
		case <-patience:
			err = errPatience
		case <-s.api.stopping:
			err = editlock.ErrShuttingDown
		case <-c.r.Context().Done():
			err = c.r.Context().Err()
		case <-p.gone:
			err = p.reason()
		}
		alive.Stop()
	}
}

// Why a request that waits is answered though nothing has happened.
var (
	errPatience = errors.New("server: still waiting at the end of the time")
	errEnough   = errors.New("server: too many wait")
	errGivenUp  = errors.New("server: the place was given up")
)

// refusal makes the answer to an acquire that did not get the lock.
func (s *Server) refusal(c *call, p *program, snap editlock.Snapshot, err error) error {
	fill := func(pr *wire.Problem) {}
	if snap.Resource != "" {
		w := c.snapshot(snap)
		fill = func(pr *wire.Problem) { pr.Snapshot, pr.Holder = w, w.Holder }
	}
	switch {
	case errors.Is(err, errGivenUp):
		err, fill = &wire.Error{Code: wire.Locked, Message: "Another request of this session has given the place up."}, func(*wire.Problem) {}
	case errors.Is(err, errPatience), errors.Is(err, errEnough):
		e := &wire.Error{Code: wire.Locked, Message: "Still waiting for " + snap.Resource + ". Ask again with this session: it keeps the place."}
		if errors.Is(err, errEnough) {
			e.RetryAfter, e.Message = 2, "Too many requests wait here, so this one was answered at once. Ask again later with this session: it keeps the place."
		}
		err = e
	}
	return &failure{err: err, fill: fill}
}

// ask is one attempt to acquire, within the time of a request.
func (p *program) ask(q editlock.Request) (editlock.Snapshot, error) {
	ctx, cancel := p.s.within()
	defer cancel()
	snap, err := p.conn.Acquire(ctx, q)
	if err != nil && snap.Mine.State == editlock.MineNone {
		p.conn.Unwatch(q.Resource)
	}
	return snap, err
}

func (p *program) confirm(snap editlock.Snapshot) (editlock.Snapshot, error) {
	ctx, cancel := p.s.within()
	defer cancel()
	return p.conn.Confirm(ctx, snap.Resource, snap.Mine.Fence)
}

// within bounds a step of a request that may take longer as a whole.
func (s *Server) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, s.opts.RequestTimeout)
}

// granted makes the answer to an acquire that got the lock.
func (s *Server) granted(c *call, p *program, snap editlock.Snapshot) (*wire.Granted, error) {
	for _, held := range p.conn.Held() {
		if held.Resource != snap.Resource || held.Fence != snap.Mine.Fence {
			continue
		}
		if token, _ := s.lockToken(p.user, p.conn, held); token != "" {
			return &wire.Granted{
				Resource: held.Resource, Fence: held.Fence, Token: token, ExpiresIn: s.believed(held), Waited: wire.In(time.Since(c.received)),
				Version: snap.Version, Session: p.token(), RenewWithin: s.renewWithin(),
			}, nil
		}
	}
	return nil, s.refusal(c, p, snap, editlock.ErrUnknownOutcome) // this node may not say so now
}

// believed is how long a program may believe in a hold. It need not know of any margin.
func (s *Server) believed(held editlock.HeldLock) wire.Seconds {
	return wire.In(time.Until(held.Until) - s.m.Config().Margin())
}

// renewWithin leaves time for a second attempt and a third.
func (s *Server) renewWithin() wire.Seconds { return wire.In(s.m.Config().TTL / 3) }

// callRenew is the heartbeat of a program.
func (s *Server) callRenew(c *call, in *wire.RenewCall) (*wire.Renewed, error) {
	p, err := s.enter(c, in.Session, in.Nonce, false)
	if err != nil {
		return nil, nothingLeft(err, nil)
	}
	out, err := s.renewed(c, p)
	if goes := p.leave(ifIdle); err == nil && !goes {
		err = nothingLeft(errNoSession, p.endings())
	}
	return out, err
}

func (s *Server) renewed(c *call, p *program) (*wire.Renewed, error) {
	standing, err := p.conn.Standing(c.ctx)
	if err != nil {
		return nil, err
	}
	if !p.conn.Vouch() {
		return nil, editlock.ErrUnavailable
	}
	held := p.conn.Held()
	out := &wire.Renewed{
		Session: p.token(), RenewWithin: s.renewWithin(), Locks: []wire.LockGrant{}, Places: []wire.Place{}, Ended: p.endings(),
	}
	for _, snap := range standing {
		if snap.Mine.State != editlock.MineHeld {
			m := plain(snap).Mine
			out.Places = append(out.Places, wire.Place{Resource: snap.Resource, State: m.State, Position: m.Position, ConfirmWithin: m.ConfirmWithin})
			continue
		}
		i := slices.IndexFunc(held, func(h editlock.HeldLock) bool { return h.Resource == snap.Resource && h.Fence == snap.Mine.Fence })
		if i < 0 {
			return nil, editlock.ErrUnavailable // it changed in between, or this node may not vouch for it: ask again
		}
		token, _ := s.lockToken(p.user, p.conn, held[i])
		out.Locks = append(out.Locks, wire.LockGrant{Resource: snap.Resource, Fence: snap.Mine.Fence, Token: token, ExpiresIn: s.believed(held[i])})
	}
	return out, nil
}

// nothingLeft says it of a session, and how what it held has ended.
func nothingLeft(err error, ended []wire.EndedHold) error {
	if !errors.Is(err, errNoSession) {
		return err
	}
	e := &wire.Error{Code: wire.SessionOver, Message: "This session holds nothing and waits for nothing any more: it gave all back, or was silent for too long. Acquire anew, and load the content afresh."}
	return &failure{err: e, fill: func(p *wire.Problem) { p.Ended = ended }}
}

// callRelease gives a lock back. A second time, or too late, it changes nothing and says the same.
func (s *Server) callRelease(c *call, in *wire.ReleaseCall) (*wire.Standing, error) {
	return s.inSession(c, in.Resource, in.Session, func(ctx context.Context, p *program, name string) (editlock.Snapshot, error) {
		snap, err := p.conn.Release(ctx, name, in.Fence, in.Version)
		p.conn.Unwatch(name)
		return snap, err
	})
}

// callCancel gives a place in the queue up.
func (s *Server) callCancel(c *call, in *wire.CancelCall) (*wire.Standing, error) {
	return s.inSession(c, in.Resource, in.Session, func(ctx context.Context, p *program, name string) (editlock.Snapshot, error) {
		p.giveUp(name)
		snap, err := p.conn.Cancel(ctx, name)
		p.conn.Unwatch(name)
		return snap, err
	})
}

// callChanged tells that content was saved: by the holder, or by the application.
func (s *Server) callChanged(c *call, in *wire.ChangedCall) (*wire.Standing, error) {
	if in.Session != "" {
		out, err := s.inSession(c, in.Resource, in.Session, func(ctx context.Context, p *program, name string) (editlock.Snapshot, error) {
			return p.conn.Changed(ctx, name, in.Fence, in.Version)
		})
		if err == nil && out.Session == "" {
			return nil, editlock.ErrStale
		}
		return out, err
	}
	name, err := lease.ParseResource(in.Resource)
	if err != nil {
		return nil, err
	}
	if err := c.may(verbAdminister, name); err != nil {
		return nil, err
	}
	if err := s.m.Changed(c.ctx, name, in.Version); err != nil {
		return nil, err
	}
	return s.standing(c, name)
}

// inSession does something in a session that there is. In one of which nothing is left it changes nothing.
func (s *Server) inSession(c *call, resource, session string, f func(context.Context, *program, string) (editlock.Snapshot, error)) (*wire.Standing, error) {
	name, err := lease.ParseResource(resource)
	if err != nil {
		return nil, err
	}
	if err := c.may(verbEdit, name); err != nil {
		return nil, err
	}
	p, err := s.enter(c, session, "", false)
	if errors.Is(err, errNoSession) {
		return s.standing(c, name)
	} else if err != nil {
		return nil, err
	}
	snap, err := f(c.ctx, p, name)
	goes := p.leave(ifIdle)
	if err != nil {
		return nil, err
	}
	out := &wire.Standing{Snapshot: *c.snapshot(snap)}
	if goes {
		out.Session = p.token()
	}
	return out, nil
}

// standing is what holds, to somebody without a session.
func (s *Server) standing(c *call, name string) (*wire.Standing, error) {
	snap, err := s.m.Get(c.ctx, name)
	if err != nil {
		return nil, err
	}
	return &wire.Standing{Snapshot: *c.snapshot(snap)}, nil
}
