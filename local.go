package editlock

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/editlock/editlock/lease"
)

// Session is one program of one user, or one part of it that edits on its own. It is what an embedded
// Manager gives, and in a later version the remote client. Its methods may be called from several goroutines.
//
// A session holds a resource once: who acquires again what the session holds gets the same Lock.
type Session interface {
	// Acquire waits until the resource is the session's. ctx bounds the waiting only; when it ends first,
	// the place in the queue is given up and the error is that of ctx.
	Acquire(ctx context.Context, resource string) (Lock, error)
	// Try is Acquire for those who do not wait: it returns a *LockedError if somebody else holds.
	Try(ctx context.Context, resource string) (Lock, error)
	// Watch sends what holds, now and after each change, of one resource, or of all that begin with a
	// prefix if what ends with a slash or is empty. Until it is received, an older snapshot of a resource gives way to
	// a newer one. The channel is closed when ctx ends or the session is closed.
	Watch(ctx context.Context, what string) (<-chan Snapshot, error)
	// Close releases all that the session holds and waits for.
	Close() error
}

// Lock is a hold of a session. Its methods may be called from several goroutines.
type Lock interface {
	// Resource returns the canonical name of what is held.
	Resource() string
	// Fence returns the number of the grant: higher than that of every earlier grant of the resource.
	Fence() int64
	// Context is cancelled when the lock is released, or can no longer be trusted: context.Cause is then a *LostError.
	// It does not end with the context that Acquire was given.
	Context() context.Context
	// Changed tells those who wait and watch that the content was saved as version.
	Changed(ctx context.Context, version string) error
	// Release gives the resource back. A second call, or one after the lock was lost, does nothing and returns nil.
	Release(ctx context.Context) error
}

// Session makes a session of this process. It lives as long as the Manager, or until it is closed. ctx bounds the call only.
func (m *Manager) Session(ctx context.Context, user User) (Session, error) {
	l := &local{m: m, locks: map[string]*localLock{}, asking: map[string]int{}, changes: map[string]chan struct{}{}, watchers: map[*watcher]struct{}{}}
	c, err := m.Connect(ctx, Connect{User: user, Nonce: newID(), Notify: l.notify, Closed: l.closed, here: true})
	if err != nil {
		return nil, err
	}
	l.c = c
	m.mu.Lock()
	m.locals[l] = struct{}{}
	m.mu.Unlock()
	return l, nil
}

// local is a session of this process.
type local struct {
	m *Manager
	c *Conn

	mu       sync.Mutex
	done     bool
	locks    map[string]*localLock
	asking   map[string]int           // callers that want a resource
	changes  map[string]chan struct{} // closed at the next news of a resource that is waited for
	watchers map[*watcher]struct{}
}

func (l *local) Acquire(ctx context.Context, resource string) (Lock, error) {
	return l.acquire(ctx, resource, false)
}

func (l *local) Try(ctx context.Context, resource string) (Lock, error) {
	return l.acquire(ctx, resource, true)
}

func (l *local) acquire(ctx context.Context, resource string, noWait bool) (Lock, error) {
	name, err := lease.ParseResource(resource)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.asking[name]++
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		if l.asking[name]--; l.asking[name] == 0 {
			delete(l.asking, name)
			delete(l.changes, name)
		}
		l.mu.Unlock()
	}()
	for {
		changed := l.changed(name)
		snap, err := l.c.Acquire(ctx, Request{Resource: name, NoWait: noWait})
		switch {
		case err != nil && ctx.Err() != nil:
			l.giveUp(name)
			return nil, context.Cause(ctx)
		case err != nil:
			return nil, err
		}
		if lock := l.take(snap); lock != nil {
			return lock, nil
		}
		for granted := false; !granted; {
			select {
			case <-changed:
			case <-ctx.Done():
				l.giveUp(name)
				return nil, context.Cause(ctx)
			case <-l.m.ctx.Done():
				return nil, ErrClosed
			}
			changed = l.changed(name)
			snap, err := l.c.act(ctx, name, lease.Event{Kind: lease.Look})
			if err != nil {
				break // it asks again, or learns that the session is over
			}
			if lock := l.take(snap); lock != nil {
				return lock, nil
			}
			granted = snap.Mine.State == MineNone || snap.Mine.State == MineAbsent
		}
	}
}

// giveUp takes back an acquire whose caller has gone, whatever became of it.
func (l *local) giveUp(name string) {
	l.mu.Lock()
	others := l.locks[name] != nil || l.asking[name] > 1
	l.mu.Unlock()
	if others {
		return // another caller of the same session has it, or wants it
	}
	// In the record's order this comes after the acquire. A grant to a session of this process is
	// confirmed at once, so it has to be released by its fence.
	l.m.task(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.m.ctx), l.m.cfg.StoreTimeout)
		defer cancel()
		snap, err := l.c.Cancel(ctx, name)
		if err == nil && snap.Mine.Fence != 0 {
			l.mu.Lock()
			wanted := l.locks[name] != nil || l.asking[name] > 0
			l.mu.Unlock()
			if !wanted {
				_, _ = l.c.Release(ctx, name, snap.Mine.Fence, "")
			}
		}
	})
}

// changed returns a channel that is closed at the next news of a resource.
func (l *local) changed(name string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	ch := l.changes[name]
	if ch == nil {
		ch = make(chan struct{})
		l.changes[name] = ch
	}
	return ch
}

// take returns the lock that a snapshot shows to be held, nil if it does not.
func (l *local) take(snap Snapshot) Lock {
	if snap.Mine.State != MineHeld {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	lock := l.locks[snap.Resource]
	if lock == nil || lock.fence != snap.Mine.Fence {
		lock = &localLock{l: l, name: snap.Resource, fence: snap.Mine.Fence}
		lock.ctx, lock.cancel = context.WithCancelCause(context.Background())
		l.locks[snap.Resource] = lock
	}
	return lock
}

// notify is given every snapshot for the session.
func (l *local) notify(snap Snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ch := l.changes[snap.Resource]; ch != nil {
		close(ch)
		delete(l.changes, snap.Resource)
	}
	if lock := l.locks[snap.Resource]; lock != nil && snap.Mine.Fence != lock.fence && snap.Revision > lock.fence {
		lost := &LostError{Resource: snap.Resource, Fence: lock.fence}
		if e := snap.Ended; e != nil {
			lost.Reason, lost.By = e.Reason, e.By
		} else if snap.Holder != nil {
			lost.By = snap.Holder.User
		}
		lock.cancel(lost)
		delete(l.locks, snap.Resource)
	}
	for w := range l.watchers {
		if w.wants(snap.Resource) {
			w.put(snap)
		}
	}
}

// closed is called when the Manager has ended the session.
func (l *local) closed(why error) { l.doubt(why) }

// doubt cancels every lock: nobody can be certain of it any more.
func (l *local) doubt(error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, lock := range l.locks {
		lock.cancel(&LostError{Resource: name, Fence: lock.fence})
		delete(l.locks, name)
	}
}

// doubt cancels the locks of this process's sessions when the node has not been able to say for so long
// that it lives that others might end them.
func (m *Manager) doubt(now, renewed time.Time) {
	if now.Sub(renewed) < m.cfg.TTL-m.cfg.Margin() {
		return
	}
	m.mu.Lock()
	locals := make([]*local, 0, len(m.locals))
	for l := range m.locals {
		locals = append(locals, l)
	}
	m.mu.Unlock()
	for _, l := range locals {
		l.doubt(ErrUnsure)
	}
}

func (l *local) Close() error {
	l.mu.Lock()
	done := l.done
	l.done = true
	l.mu.Unlock()
	if done {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.m.ctx), 2*l.m.cfg.StoreTimeout)
	defer cancel()
	err := l.m.endSession(ctx, l.c.s, Left)
	l.doubt(ErrClosed)
	l.c.Disconnect()
	l.m.mu.Lock()
	delete(l.m.locals, l)
	l.m.mu.Unlock()
	return err
}

// endSession ends all that a session holds and waits for, and forgets it.
func (m *Manager) endSession(ctx context.Context, s *session, why Reason) error {
	s.mu.Lock()
	s.over, s.since = true, time.Now()
	var names []string
	for name := range s.in {
		names = append(names, name)
	}
	s.mu.Unlock()
	var errs []error
	for _, name := range names {
		a := m.do(ctx, name, &op{event: lease.Event{Kind: lease.End, Session: s.id, Reason: why}, session: s, ends: true})
		errs = append(errs, a.err)
	}
	m.forget(s)
	return errors.Join(errs...)
}

// localLock is a Lock of a session of this process.
type localLock struct {
	l      *local
	name   string
	fence  int64
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func (k *localLock) Resource() string         { return k.name }
func (k *localLock) Fence() int64             { return k.fence }
func (k *localLock) Context() context.Context { return k.ctx }

func (k *localLock) Changed(ctx context.Context, version string) error {
	_, err := k.l.c.Changed(ctx, k.name, k.fence, version)
	return err
}

func (k *localLock) Release(ctx context.Context) error {
	k.l.mu.Lock()
	if k.l.locks[k.name] == k {
		delete(k.l.locks, k.name)
	}
	k.l.mu.Unlock()
	k.cancel(nil)
	_, err := k.l.c.Release(ctx, k.name, k.fence, "")
	if errors.Is(err, ErrSessionOver) || errors.Is(err, ErrReplaced) {
		return nil // the session was ended, and this hold with it
	}
	return err
}
