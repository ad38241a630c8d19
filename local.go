package editlock

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/editlock/editlock/lease"
)

// Session is one program of one user, or one part of it that edits on its own. It is what an embedded
// Manager gives, and likewise package client, of a server elsewhere. Its methods may be called from several goroutines.
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
	// One that says ErrUnsure comes of an outage of the store, or of the network to it: the same session can acquire it again, with the same fence
	// if nobody else was granted it; it is given back if that does not happen within 10 s (Rules.Confirm) of the end of the outage.
	// It does not end with the context that Acquire was given.
	Context() context.Context
	// Changed tells those who wait and watch that the content was saved as version.
	Changed(ctx context.Context, version string) error
	// Release gives the resource back. A second call, or one after the lock was lost, does nothing and returns nil.
	Release(ctx context.Context) error
}

// Session makes a session of this process. It lives as long as the Manager, or until it is closed. ctx bounds the call only.
func (m *Manager) Session(ctx context.Context, user User) (Session, error) {
	l := &local{
		m: m, locks: map[string]*localLock{}, asking: map[string]int{}, changes: map[string]chan struct{}{},
		newest: map[string]int64{}, doubted: map[string]time.Time{}, dropping: map[string]chan struct{}{}, watchers: map[*watcher]struct{}{},
	}
	l.life, l.end = context.WithCancel(m.ctx)
	c, err := m.Connect(ctx, Connect{User: user, Nonce: newID(), Notify: l.notify, Closed: l.closed, here: true})
	if err != nil {
		l.end()
		return nil, err
	}
	l.c = c
	m.mu.Lock()
	m.locals[l] = struct{}{}
	m.mu.Unlock()
	return l, nil
}

// local is a session of this process. Its grants are confirmed at once, and it lives as long as the Manager: so it
// sees to it itself that nothing is held or waited for that no caller knows of (reconcile).
type local struct {
	m    *Manager
	c    *Conn
	life context.Context // ends with the session, or the Manager
	end  context.CancelFunc

	mu       sync.Mutex
	done     bool
	locks    map[string]*localLock
	asking   map[string]int           // callers that want a resource
	changes  map[string]chan struct{} // closed at the next news of a resource that is asked for
	newest   map[string]int64         // revision of the newest news of a resource that is asked for
	doubted  map[string]time.Time     // locks that are no longer trusted; since when this node vouches again, zero: it does not
	dropping map[string]chan struct{} // what is given back at this moment; closed when that was tried
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
	if err := l.enter(ctx, name); err != nil {
		return nil, err
	}
	lock, err := l.await(ctx, name, noWait)
	switch {
	case l.leave(name) || lock != nil || errors.Is(err, ErrLocked):
	default: // nobody wants it any more, whatever became of it
		l.m.task(func() { l.drop(name) })
	}
	if lock == nil && l.life.Err() != nil {
		err = ErrClosed
	}
	return lock, err
}

// enter counts a caller who wants a resource, once what was given back before is settled.
func (l *local) enter(ctx context.Context, name string) error {
	for {
		l.mu.Lock()
		dropping := l.dropping[name]
		if l.done {
			l.mu.Unlock()
			return ErrClosed
		}
		if dropping == nil {
			l.asking[name]++
			l.mu.Unlock()
			return nil
		}
		l.mu.Unlock()
		select {
		case <-dropping:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// leave is the end of enter. It reports whether somebody else wants or has the resource, or may come back for it: an acquire that
// fails in an outage must not cost the lock that was doubted for its sake.
func (l *local) leave(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asking[name]--; l.asking[name] > 0 {
		return true
	}
	delete(l.asking, name)
	delete(l.changes, name)
	delete(l.newest, name)
	_, doubted := l.doubted[name]
	return doubted || l.locks[name] != nil
}

func (l *local) await(ctx context.Context, name string, noWait bool) (Lock, error) {
	for {
		changed := l.changed(name)
		snap, err := l.c.Acquire(ctx, Request{Resource: name, NoWait: noWait})
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			return nil, err
		}
		if lock := l.take(snap); lock != nil {
			return lock, nil
		}
		for again := false; !again; {
			select {
			case <-changed:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-l.life.Done():
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
			again = snap.Mine.State == MineNone || snap.Mine.State == MineAbsent
		}
	}
}

// drop gives back whatever the session has of a resource, unless somebody wants or has it.
func (l *local) drop(name string) {
	l.mu.Lock()
	if l.asking[name] > 0 || l.locks[name] != nil || l.dropping[name] != nil {
		l.mu.Unlock()
		return
	}
	settled := make(chan struct{})
	l.dropping[name] = settled // who wants it now waits until this is over
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.m.ctx), 2*l.m.cfg.StoreTimeout)
	defer cancel()
	// If it fails, the next reconcile comes by.
	_ = l.m.do(ctx, name, &op{event: lease.Event{Kind: lease.End, Session: l.c.s.id, Reason: Released}, session: l.c.s})
	l.mu.Lock()
	delete(l.dropping, name)
	delete(l.doubted, name)
	l.mu.Unlock()
	close(settled)
}

// reconcile gives back what records say that the sessions of this process hold or wait for, and no caller has: an acquire
// whose outcome was not known, one that was given up while the store failed, a lock that was doubted and
// for which nobody came back within the time that a page has to confirm.
func (m *Manager) reconcile(now time.Time) {
	for _, l := range m.here() {
		l.c.s.mu.Lock()
		names := slices.Collect(maps.Keys(l.c.s.in))
		l.c.s.mu.Unlock()
		l.mu.Lock()
		maps.DeleteFunc(l.doubted, func(name string, _ time.Time) bool { return !slices.Contains(names, name) })
		l.mu.Unlock()
		for _, name := range names {
			l.mu.Lock()
			since, doubted := l.doubted[name]
			if doubted && since.IsZero() {
				since = now
				l.doubted[name] = now
			}
			wait := doubted && now.Sub(since) < m.cfg.Rules.Confirm
			idle := !wait && !l.done && l.asking[name] == 0 && l.locks[name] == nil && l.dropping[name] == nil
			l.mu.Unlock()
			if idle {
				m.task(func() { l.drop(name) })
			}
		}
	}
}

// here returns the sessions of this process.
func (m *Manager) here() []*local {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.locals))
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
	if l.done || snap.Revision < l.newest[snap.Resource] {
		return nil // there is news since: look again
	}
	delete(l.doubted, snap.Resource)
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
	if l.asking[snap.Resource] > 0 {
		l.newest[snap.Resource] = max(l.newest[snap.Resource], snap.Revision)
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
		l.doubted[name] = time.Time{}
	}
}

// doubt cancels the locks of this process's sessions when the node has not been able to say for so long
// that it lives that others might end them.
func (m *Manager) doubt(now, renewed time.Time) {
	if now.Sub(renewed) < m.cfg.TTL-m.cfg.Margin() {
		return
	}
	for _, l := range m.here() {
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
	l.end()
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
	if k.l.life.Err() != nil {
		return ErrClosed
	}
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
