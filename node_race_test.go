package editlock

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// The slow pass forgets nodes while the sweep ends others.
func TestNodesAreForgottenWhileOthersEnd(t *testing.T) {
	m, err := Open(t.Context(), mem.New(), Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	others := map[string]other{}
	for i := range 1000 {
		others[fmt.Sprint("n", i)] = other{rev: 1}
	}
	m.node.mu.Lock()
	m.node.others = others
	m.node.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 50 {
			if err := m.forgetNodes(); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for i := range 100 {
			id := fmt.Sprint("x", i)
			data, err := lease.EncodeNode(lease.NodeRecord{})
			if err != nil {
				t.Error(err)
			}
			rev, err := m.write(store.Group{{Key: nodeKey + id, Data: data}})
			if err != nil {
				t.Error(err)
			}
			if err := m.endNode(id, other{rev: rev}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}
