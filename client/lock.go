package client

import (
	"context"
	"errors"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/wire"
)

// Lock is a hold of a Session. It is what Acquire and Try return. Its methods may be called from several goroutines.
type Lock struct {
	s      *Session
	name   string
	fence  int64
	ctx    context.Context
	cancel context.CancelCauseFunc

	// Under s.mu.
	leaving bool // the server does not list it any more; being asked why
	token   string
	renewed chan struct{}
}

var _ editlock.Lock = (*Lock)(nil)

func newLock(s *Session, name string, fence int64, token string) *Lock {
	k := &Lock{s: s, name: name, fence: fence, token: token, renewed: make(chan struct{})}
	k.ctx, k.cancel = context.WithCancelCause(context.Background())
	return k
}

// Resource returns the canonical name of what is held.
func (k *Lock) Resource() string { return k.name }

// Fence returns the number of the grant.
func (k *Lock) Fence() int64 { return k.fence }

// Context ends when the lock is released, or can no longer be trusted. Its Err and context.Cause look at the clocks: so they tell the truth even
// in the first moment after the program or its machine was stopped for a while.
func (k *Lock) Context() context.Context { return lockContext{k.ctx, k.s} }

// Token returns the newest lock token: signed proof of this hold, to be sent with a save in the header Lock-Token. Each is good for at most the session's TTL;
// a fresh one comes with every heartbeat. It does not say whether the lock is still held: Context does.
func (k *Lock) Token() string {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	return k.token
}

// Renewed returns a channel that is closed when Token has a fresh one.
func (k *Lock) Renewed() <-chan struct{} {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	return k.renewed
}

// prove takes a fresh token. s.mu is held.
func (k *Lock) prove(token string) {
	if token != "" && token != k.token {
		k.token = token
		close(k.renewed)
		k.renewed = make(chan struct{})
	}
}

// Changed tells those who wait and watch that the content was saved as version. It returns [editlock.ErrStale] if the lock was lost.
func (k *Lock) Changed(ctx context.Context, version string) error {
	_, err := k.s.call(ctx, func(id int64) wire.Request {
		return &wire.Changed{ID: id, Target: wire.Target{Resource: k.name}, Fence: k.fence, Version: version}
	})
	return err
}

// Release gives the resource back. A second call, or one after the lock was lost, does nothing and returns nil. If the server cannot be
// reached it returns [editlock.ErrUnavailable] or [editlock.ErrUnknownOutcome]; the lock is then given back once it can.
func (k *Lock) Release(ctx context.Context) error {
	s := k.s
	s.mu.Lock()
	c := s.claims[k.name]
	k.cancel(nil)
	if c == nil || c.lock != k && !(c.lock == nil && c.doubted && c.fence == k.fence) || c.dropping != nil || s.done {
		s.mu.Unlock()
		return nil
	}
	settled := make(chan struct{})
	c.lock, c.doubted, c.dropping = nil, false, settled
	s.mu.Unlock()
	_, err := s.call(ctx, func(id int64) wire.Request {
		return &wire.Release{ID: id, Target: wire.Target{Resource: k.name}, Fence: k.fence}
	})
	s.mu.Lock()
	c.dropping = nil
	s.tidy(k.name, c)
	s.mu.Unlock()
	close(settled)
	s.nudge()
	if errors.Is(err, editlock.ErrClosed) {
		return nil // the session was ended, and this hold with it
	}
	return err
}

// lockContext is a lock's context. Whoever asks it makes the session look at the clocks first: after a stop no timer has run yet.
type lockContext struct {
	context.Context
	s *Session
}

func (c lockContext) look() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.look()
}

func (c lockContext) Err() error {
	c.look()
	return c.Context.Err()
}

// Value is how context.Cause comes to the cause.
func (c lockContext) Value(key any) any {
	c.look()
	return c.Context.Value(key)
}

// drop gives back whatever the session has of a resource, unless somebody wants or has it.
func (s *Session) drop(name string) {
	s.mu.Lock()
	c := s.claims[name]
	if c == nil || !c.unwanted() {
		s.mu.Unlock()
		return
	}
	settled := make(chan struct{})
	c.dropping = settled // who wants it now waits until this is over
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.life, s.opts.Timeout)
	defer cancel()
	_ = s.giveBack(ctx, name) // if it fails, guard comes by again
	s.mu.Lock()
	c.dropping, c.doubted = nil, false
	s.tidy(name, c)
	s.mu.Unlock()
	close(settled)
}

// giveBack leaves the queue, and releases what is held. It does not wait for a connection: the welcome of the next one tells what is left.
func (s *Session) giveBack(ctx context.Context, name string) error {
	s.mu.Lock()
	l := s.link
	s.mu.Unlock()
	if l == nil {
		return errDown
	}
	target := wire.Target{Resource: name}
	for range 3 {
		request := func(id int64) wire.Request { return &wire.Cancel{ID: id, Target: target} }
		if fence := s.confirmed(name); fence != 0 {
			request = func(id int64) wire.Request { return &wire.Release{ID: id, Target: target, Fence: fence} }
		}
		f, _, err := l.ask(ctx, request)
		if err != nil {
			return err
		}
		if ok, is := f.(*wire.OK); is && (ok.Snapshot == nil || ok.Snapshot.Mine == nil) {
			return nil
		}
	}
	return errDown
}

// confirmed returns the fence of a confirmed hold of the session, as far as it is known; 0 if there is none.
func (s *Session) confirmed(name string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.claims[name]
	if c == nil || !c.known {
		return 0
	}
	switch editlock.MineState(c.mine.State) {
	case editlock.MineHeld, editlock.MineLapsed:
		return c.mine.Fence
	}
	return 0
}

// closing is how long Close may take at most.
const closing = 5 * time.Second

// Close releases all that the session holds and waits for, and ends it. It returns [editlock.ErrUnavailable] if the server cannot be told: then all is
// free when the session's TTL is over.
func (s *Session) Close() error {
	s.mu.Lock()
	done := s.done
	s.done = true
	s.mu.Unlock()
	if done {
		return nil
	}
	s.shut()
	s.asks.Wait()
	s.mu.Lock()
	var names []string
	for name, c := range s.claims {
		names = append(names, name)
		if c.lock != nil {
			s.lose(c, &editlock.LostError{Resource: name, Fence: c.lock.fence})
		}
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.life, min(closing, s.opts.Timeout))
	defer cancel()
	err := s.leave(ctx, names)
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	s.work.Wait()
	s.http.CloseIdleConnections()
	return err
}

// leave gives everything back, and says bye.
func (s *Session) leave(ctx context.Context, names []string) error {
	l, err := s.online(ctx)
	if err != nil && len(names) == 0 {
		return nil
	}
	left := make(chan error)
	for _, name := range names {
		go func() { left <- s.giveBack(ctx, name) }()
	}
	for range names {
		err = errors.Join(err, <-left)
	}
	if l != nil {
		// Whatever is left then is free in 5 s.
		_, _, bye := l.ask(ctx, func(id int64) wire.Request { return &wire.Bye{ID: id} })
		if bye == nil {
			return nil
		}
	}
	if err == nil {
		return nil
	}
	return &refusal{editlock.ErrUnavailable, "the lock server could not be told; what the session had is free when its time is over"}
}
