package editlock

import (
	"context"
	"strings"

	"github.com/editlock/editlock/internal/latest"
	"github.com/editlock/editlock/lease"
)

func (l *local) Watch(ctx context.Context, what string) (<-chan Snapshot, error) {
	if l.life.Err() != nil {
		return nil, ErrClosed
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
	w := &watcher{what: what, prefix: prefix, feed: latest.New[Snapshot]()}
	var snaps []Snapshot
	l.mu.Lock()
	l.watchers[w] = struct{}{} // first, so that nothing is missed
	l.mu.Unlock()
	if prefix {
		var more bool
		snaps, more, err = l.c.WatchPrefix(ctx, what, nil)
		for more && err == nil { // whoever is told of the others is told of all
			var others []Snapshot
			var next string
			others, next, err = l.m.list(ctx, what, snaps[len(snaps)-1].Resource, prefixLimit, nil, l.c.s)
			snaps, more = append(snaps, others...), next != ""
		}
	} else {
		var snap Snapshot
		snap, err = l.c.Watch(ctx, what, 0)
		snaps = []Snapshot{snap}
	}
	if err != nil {
		l.unwatch(w)
		return nil, err
	}
	for _, snap := range snaps {
		w.put(snap)
	}
	out := make(chan Snapshot)
	started := l.m.task(func() {
		defer close(out)
		defer l.unwatch(w)
		w.feed.Run(ctx, l.life, out)
	})
	if !started {
		return nil, ErrClosed
	}
	return out, nil
}

// unwatch ends a watcher, and the subscription of the connection if it was the last of its kind: with the lock held, or one
// that comes in between would hear nothing.
func (l *local) unwatch(w *watcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.watchers, w)
	last := true
	for v := range l.watchers {
		last = last && v.what != w.what
	}
	switch {
	case !last:
	case w.prefix:
		l.c.UnwatchPrefix(w.what)
	default:
		l.c.Unwatch(w.what)
	}
}

// watcher keeps the newest snapshot of each resource until it is received.
type watcher struct {
	what   string
	prefix bool
	feed   *latest.Feed[Snapshot]
}

func (w *watcher) put(snap Snapshot) { w.feed.Put(snap.Resource, snap.Revision, snap) }

func (w *watcher) wants(name string) bool {
	return w.what == name || w.prefix && strings.HasPrefix(name, w.what)
}
