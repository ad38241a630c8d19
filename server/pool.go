package server

import (
	"context"
	"sync/atomic"
)

// maxIdle is how many goroutines a pool keeps at most that have nothing to do.
const maxIdle = 64

// pool does short tasks, each at once on a goroutine of its own, and keeps some goroutines for the tasks to come: a new one
// has to grow its stack first, which takes longer than to encode an answer.
type pool struct {
	ctx  context.Context // when it ends, the idle ones do
	task chan func()
	idle atomic.Int64
}

func newPool(ctx context.Context) *pool { return &pool{ctx: ctx, task: make(chan func())} }

// run starts f. It does not block. f must not panic.
func (p *pool) run(f func()) {
	select {
	case p.task <- f:
	default:
		go p.work(f)
	}
}

func (p *pool) work(f func()) {
	for {
		f()
		if p.idle.Add(1) > maxIdle {
			p.idle.Add(-1)
			return
		}
		select {
		case f = <-p.task:
			p.idle.Add(-1)
		case <-p.ctx.Done():
			return
		}
	}
}
