package store

import (
	"context"
	"sync"
)

// Hints passes on which keys have changed to whoever watches. Engines use it for Watch. The zero value
// is ready; it is safe for several goroutines at once.
type Hints struct {
	mu      sync.Mutex
	nextID  int
	watcher map[int]func(key string)
	closed  chan struct{}
}

// Watch calls hint for every key that is sent, until ctx is done (its error) or Close (ErrClosed).
func (h *Hints) Watch(ctx context.Context, hint func(key string)) error {
	h.mu.Lock()
	h.init()
	id := h.nextID
	h.nextID++
	h.watcher[id] = hint
	closed := h.closed
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.watcher, id)
		h.mu.Unlock()
	}()
	select {
	case <-closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Send hints at the keys of the groups that were written.
func (h *Hints) Send(batch []Group, results []Result) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watcher) == 0 {
		return
	}
	for i, g := range batch {
		if results[i].Err != nil {
			continue
		}
		for _, op := range g {
			for _, hint := range h.watcher {
				hint(op.Key)
			}
		}
	}
}

// Close ends every Watch, also later ones.
func (h *Hints) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.init()
	select {
	case <-h.closed:
	default:
		close(h.closed)
	}
}

func (h *Hints) init() {
	if h.closed == nil {
		h.closed = make(chan struct{})
		h.watcher = make(map[int]func(string))
	}
}
