package proof

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/internal/swarm"
	"github.com/editlock/editlock/wire"
)

// each runs f for every index at the same time and fails the test with the first error.
func each(t testing.TB, n int, f func(i int) error) {
	t.Helper()
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("%.4000s", err.Error())
	}
}

// isFree returns an error unless a newcomer finds the resource free, and nobody waiting.
func isFree(ctx context.Context, p *swarm.Page, resource string) error {
	s, err := p.Watch(ctx, resource)
	if err == nil && (s.State != wire.Free || s.Waiting != 0) {
		err = fmt.Errorf("%s is %s, %+v, %d wait", resource, s.State, s.Holder, s.Waiting)
	}
	return err
}

// The usual design told two clients that they hold in 159 of 200 such rounds.
func TestFiftyAskAtOnceOneIsTold(t *testing.T) {
	url, _ := inProcess(t, editlock.Config{})
	ctx := within(t)
	pages := make([]*swarm.Page, 50)
	each(t, len(pages), func(i int) (err error) {
		pages[i], err = swarm.Open(ctx, url, token(fmt.Sprint("user", i)))
		return err
	})
	for round := range 200 {
		resource := article(round)
		gun := make(chan struct{})
		var asked sync.WaitGroup
		errs := make([]error, len(pages))
		for i, p := range pages {
			asked.Go(func() {
				<-gun
				_, errs[i] = p.Acquire(ctx, resource, true)
			})
		}
		close(gun)
		asked.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		holder := -1
		for i, p := range pages {
			if p.Told(resource) > 0 {
				if holder >= 0 {
					t.Fatalf("round %d: both %d and %d were told that they hold", round, holder, i)
				}
				holder = i
			}
		}
		if holder < 0 {
			t.Fatalf("round %d: nobody was told", round)
		}
		fence, err := pages[holder].AwaitHeld(ctx, resource)
		if err != nil {
			t.Fatal(err)
		}
		each(t, len(pages), func(i int) error {
			if i == holder {
				return nil
			}
			_, err := pages[i].Cancel(ctx, resource)
			return err
		})
		if _, err := pages[holder].Release(ctx, resource, fence, ""); err != nil {
			t.Fatal(err)
		}
		if err := isFree(ctx, pages[0], resource); err != nil {
			t.Fatal(err)
		}
	}
}

// The usual design left 2,640 to 3,638 of 5,000 locked for ever.
func TestFiveThousandConnectionsClosedAtOnce(t *testing.T) {
	const n = 5000
	s := serve(t, "--ttl=10s")
	ctx := within(t)
	pages := make([]*swarm.Page, n)
	gate := make(chan struct{}, 200) // as many at a time as the handshakes a second allow
	each(t, n, func(i int) (err error) {
		gate <- struct{}{}
		defer func() { <-gate }()
		if pages[i], err = ask(ctx, s.url(), token(fmt.Sprint("user", i)), article(i)); err != nil {
			return err
		}
		_, err = await(ctx, pages[i], article(i), holds)
		return err
	})
	for _, p := range pages {
		p.Drop()
	}
	closed := time.Now()
	newcomers := make([]*swarm.Page, 250)
	each(t, len(newcomers), func(k int) (err error) {
		if newcomers[k], err = patiently(ctx, s.url(), token(fmt.Sprint("newcomer", k))); err != nil {
			return err
		}
		defer newcomers[k].Drop()
		for i := k; i < n; i += len(newcomers) {
			if err := pause(ctx, 200*time.Millisecond); err != nil { // a connection has 20 messages a second
				return err
			}
			if err := acquire(ctx, newcomers[k], article(i)); err != nil {
				return err
			}
			got, err := await(ctx, newcomers[k], article(i), holds)
			if err != nil {
				return err
			}
			if err := giveBack(ctx, newcomers[k], article(i), got.Mine.Fence); err != nil {
				return err
			}
		}
		return nil
	})
	t.Logf("all %d were somebody else's within %v of the close (TTL 10 s)", n, time.Since(closed).Round(time.Second))
}

// again reconnects a page, as often as it takes.
func again(ctx context.Context, p *swarm.Page) error {
	for {
		err := p.Connect(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// patiently opens a page, as often as the server asks it to come later.
func patiently(ctx context.Context, url, token string) (*swarm.Page, error) {
	for {
		p, err := swarm.Open(ctx, url, token)
		if err == nil || ctx.Err() != nil {
			return p, err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// "Save, then leave", the most ordinary end of an edit. The usual design left 1 to 4 in 100 stuck.
func TestSaveThenLeave(t *testing.T) {
	const rounds = 2000
	url, _ := inProcess(t, editlock.Config{TTL: 10 * time.Second})
	ctx := within(t)
	gate := make(chan struct{}, 100)
	each(t, rounds, func(i int) error {
		gate <- struct{}{}
		defer func() { <-gate }()
		resource := article(i)
		p, err := ask(ctx, url, token(fmt.Sprint("user", i)), resource)
		if err != nil {
			return err
		}
		got, err := await(ctx, p, resource, holds)
		if err != nil {
			return err
		}
		save := func() error {
			_, err := p.Do(ctx, func(id int64) wire.Request {
				return &wire.Changed{ID: id, Target: wire.Target{Resource: resource}, Fence: got.Mine.Fence, Version: "2"}
			})
			return err
		}
		if i%2 == 0 {
			if err := insist(ctx, p, save); err != nil {
				return err
			}
		} else {
			go func() { _ = save() }() // the page leaves in the middle of it
			if err := pause(ctx, time.Duration(rand.IntN(12))*time.Millisecond); err != nil {
				return err
			}
		}
		if i%4 < 2 {
			if err := p.Bye(ctx); err != nil {
				return err
			}
		}
		p.Drop()
		return nil
	})
	var newcomer *swarm.Page
	for i := range rounds {
		if i%500 == 0 { // a page watches what it asked for, and may not watch more than 1,000
			newcomer = open(t, url, fmt.Sprint("newcomer", i))
		}
		resource := article(i)
		if err := acquire(ctx, newcomer, resource); err != nil {
			t.Fatal(err)
		}
		got, err := await(ctx, newcomer, resource, holds)
		if err != nil {
			t.Fatal(err)
		}
		if err := giveBack(ctx, newcomer, resource, got.Mine.Fence); err != nil {
			t.Fatal(err)
		}
	}
}
