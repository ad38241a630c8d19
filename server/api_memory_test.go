package server_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/editlock/editlock/wire"
)

// BenchmarkIdleProgram measures what the session of a program costs that holds one lock and asks for nothing, besides what the lock
// itself does: it has neither a goroutine nor a connection.
func BenchmarkIdleProgram(b *testing.B) {
	w := start(b, manyRequests, func(s *setup) { s.ttl = 5 * time.Minute })
	one := w.asker("warm")
	one.acquire(wire.AcquireCall{Resource: "article/warm"})
	const n = 5000
	made := 0
	for range b.N {
		before := inUse()
		for range n {
			made++
			w.asker(fmt.Sprint("user", made)).acquire(wire.AcquireCall{Resource: fmt.Sprintf("article/%d", made)})
		}
		b.ReportMetric(float64(inUse()-before)/n, "B/session")
	}
}
