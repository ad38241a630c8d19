package client

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/internal/latest"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

// maxLingering is of how many resources the server may go on telling us in vain: so a program that takes one after
// another, or the same again and again, need not unwatch each.
const maxLingering = 64

// maxSeen bounds what is remembered of a prefix: the resources that are not free.
const maxSeen = 10_000

// watcher is one Watch.
type watcher struct {
	what   string
	prefix bool
	feed   *latest.Feed[editlock.Snapshot]
	seen   map[string]int64 // of a prefix: what was not free when it was told last, and at which revision. Under Session.mu
	stop   context.CancelCauseFunc
}

// put passes a snapshot on if it is wanted. mu is held.
func (w *watcher) put(snap editlock.Snapshot) {
	if w.what != snap.Resource && !(w.prefix && strings.HasPrefix(snap.Resource, w.what)) {
		return
	}
	if w.prefix {
		if snap.State == editlock.Free && snap.Waiting == 0 {
			delete(w.seen, snap.Resource)
		} else if _, known := w.seen[snap.Resource]; known || len(w.seen) < maxSeen {
			w.seen[snap.Resource] = snap.Revision
		}
	}
	w.feed.Put(snap.Resource, snap.Revision, snap)
}

func (w *watcher) request(id int64) wire.Request {
	if w.prefix {
		return &wire.Watch{ID: id, Prefix: &w.what}
	}
	return &wire.Watch{ID: id, Target: wire.Target{Resource: w.what}}
}

// Watch sends what holds, now and after each change, as [editlock.Session] has it. While there is no connection there is no news; afterwards comes what has changed.
// Of a prefix with more than 1,000 resources that are held or waited for it sends the first 1,000 by name at the beginning, and the
// others when they change; of one with more than 10,000 it may miss, after a cut, that one was freed meanwhile.
func (s *Session) Watch(ctx context.Context, what string) (<-chan editlock.Snapshot, error) {
	if s.closed() {
		return nil, editlock.ErrClosed
	}
	prefix := what == "" || strings.HasSuffix(what, "/")
	parse := lease.ParseResource
	if prefix {
		parse = lease.ParsePrefix
	}
	what, err := parse(what)
	if err != nil {
		return nil, err
	}
	w := &watcher{what: what, prefix: prefix, feed: latest.New[editlock.Snapshot](), seen: map[string]int64{}}
	ctx, w.stop = context.WithCancelCause(ctx)
	s.mu.Lock()
	s.watchers[w] = struct{}{} // first, so that nothing is missed
	s.mu.Unlock()
	if _, err = s.call(ctx, w.request); err == nil {
		out := make(chan editlock.Snapshot)
		if s.task(func() {
			defer close(out)
			defer s.unwatch(w)
			w.feed.Run(ctx, s.life, out)
		}) {
			return out, nil
		}
		err = editlock.ErrClosed
	}
	s.unwatch(w)
	return nil, err
}

// listed takes up the answer to the watch of a prefix. That to the watch of a resource is learnt as any snapshot.
func (s *Session) listed(l *link, prefix string, ok *wire.OK) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l != s.link {
		return // it is asked again
	}
	for w := range s.watchers {
		if !w.prefix || w.what != prefix {
			continue
		}
		gone := w.seen
		w.seen = make(map[string]int64, len(ok.Snapshots))
		for _, snap := range ok.Snapshots {
			delete(gone, snap.Resource)
			w.put(snapshotOf(snap))
		}
		if ok.More != nil && *ok.More {
			s.opts.Logger.Debug("editlock: there are more than can be told at once; the others are told when they change", "what", prefix, "told", len(ok.Snapshots))
			continue // what is not in the list may still be held
		}
		for name, revision := range gone {
			w.put(editlock.Snapshot{Resource: name, Revision: revision + 1, State: editlock.Free})
		}
	}
}

// unwatch ends a watcher, and the server's pushes if it was the last of its kind.
func (s *Session) unwatch(w *watcher) {
	w.stop(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, w)
	if s.watched(w.what) {
		return
	}
	if !w.prefix {
		s.linger(w.what)
		return
	}
	s.forgetWatch(wire.Unwatch{Prefix: &w.what})
}

// watched reports whether a watcher names what. mu is held.
func (s *Session) watched(what string) bool {
	for v := range s.watchers {
		if v.what == what {
			return true
		}
	}
	return false
}

// linger notes that the server tells of a resource for which nobody cares any more, and ends that for the one of longest standing if there are too many. mu is held.
func (s *Session) linger(name string) {
	s.lingering = append(slices.DeleteFunc(s.lingering, func(n string) bool { return n == name }), name)
	if len(s.lingering) <= maxLingering {
		return
	}
	oldest := s.lingering[0]
	s.lingering = s.lingering[1:]
	if s.claims[oldest] == nil && !s.watched(oldest) {
		s.forgetWatch(wire.Unwatch{Target: wire.Target{Resource: oldest}})
	}
}

// forgetWatch tells the server to push no more. If it fails, there are pushes that nobody reads. mu is held.
func (s *Session) forgetWatch(r wire.Unwatch) {
	l := s.link
	if l == nil {
		return
	}
	s.taskLocked(func() {
		ctx, cancel := context.WithTimeout(s.life, s.opts.Timeout)
		defer cancel()
		_, _, _ = l.ask(ctx, func(id int64) wire.Request { r.ID = id; return &r })
	})
}

// rewatch asks a new connection for the news that the one before had. mu is held.
func (s *Session) rewatch(l *link) {
	if len(s.watchers) == 0 {
		return
	}
	watchers := make([]*watcher, 0, len(s.watchers))
	for w := range s.watchers {
		w.feed.Afresh()
		watchers = append(watchers, w)
	}
	s.taskLocked(func() {
		for _, w := range watchers {
			if !s.watchAgain(l, w) {
				return // the next connection does it
			}
		}
	})
}

// watchAgain asks for one watcher, until it is answered. It reports false if l has ended.
func (s *Session) watchAgain(l *link, w *watcher) bool {
	for {
		_, _, err := l.ask(s.life, w.request)
		var e *wire.Error
		switch {
		case err == nil:
			return true
		case !errors.As(err, &e):
			return false
		case !elsewhere(err) && !passing(err): // a right that was withdrawn, say
			s.opts.Logger.Warn("editlock: what was watched is not any more", "what", w.what, "err", e)
			w.stop(meaning(err))
			return true
		}
		select {
		case <-l.over:
			return false
		default:
		}
		if s.pause(s.life, retryAfter(err)) != nil {
			return false
		}
	}
}
