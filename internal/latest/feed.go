// Package latest hands on news of which only the newest about each thing matters.
package latest

import (
	"context"
	"sync"
)

// Feed keeps the newest value of each name until it is received: so it is as large as what has changed, however often.
// Its methods may be called from several goroutines.
type Feed[T any] struct {
	wake chan struct{}

	mu     sync.Mutex
	source int
	order  []string
	latest map[string]entry[T]
}

type entry[T any] struct {
	source   int
	revision int64
	value    T
}

// New returns an empty Feed.
func New[T any]() *Feed[T] {
	return &Feed[T]{wake: make(chan struct{}, 1), latest: map[string]entry[T]{}}
}

// Put adds a value, in the place of one of the same name that was not received yet and whose revision is not higher. It does not block.
func (f *Feed[T]) Put(name string, revision int64, value T) {
	f.mu.Lock()
	old, known := f.latest[name]
	if !known {
		f.order = append(f.order, name)
	}
	if !known || revision >= old.revision || old.source != f.source {
		f.latest[name] = entry[T]{f.source, revision, value}
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Afresh says that the news come from another source from now on, whose revisions do not compare with those before.
func (f *Feed[T]) Afresh() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.source++
}

// Run sends the values, in the order in which their names came, until one of the two contexts ends.
func (f *Feed[T]) Run(ctx, life context.Context, out chan<- T) {
	for {
		value, ok := f.next()
		send, wake := out, f.wake
		if ok {
			wake = nil
		} else {
			send = nil
		}
		select {
		case send <- value:
		case <-wake:
		case <-ctx.Done():
			return
		case <-life.Done():
			return
		}
	}
}

func (f *Feed[T]) next() (value T, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.order) == 0 {
		return value, false
	}
	name := f.order[0]
	f.order = f.order[1:]
	value = f.latest[name].value
	delete(f.latest, name)
	return value, true
}
