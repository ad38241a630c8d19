package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// access is the access token: where it comes from, and how long it is good for.
type access struct {
	get  func(context.Context) (string, error)
	busy chan struct{} // a token is in it while the program is asked for one

	mu       sync.Mutex
	token    string
	since    time.Time
	lifetime time.Duration
}

// What a token is good for until the server has said how long: long enough for the hello. One that expires sooner than least is not begun with.
const (
	presumed = 30 * time.Second
	least    = 15 * time.Second
)

func newAccess(get func(context.Context) (string, error)) *access {
	return &access{get: get, busy: make(chan struct{}, 1)}
}

// current returns a token that is good for some seconds yet.
func (a *access) current(ctx context.Context) (string, error) {
	a.mu.Lock()
	token, left := a.token, a.left()
	a.mu.Unlock()
	if token != "" && left >= least {
		return token, nil
	}
	return a.renew(ctx)
}

// renew gets another token, whatever there was.
func (a *access) renew(ctx context.Context) (string, error) {
	select {
	case a.busy <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-a.busy }()
	token, err := a.get(ctx)
	if err != nil {
		return "", fmt.Errorf("editlock: no access token: %w", err)
	}
	if token = strings.TrimSpace(token); token == "" {
		return "", errors.New("editlock: no access token: the function Options.Token gave an empty one")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token, a.since, a.lifetime = token, time.Now(), presumed
	return token, nil
}

// accepted notes that the server has taken the token, and how long it is good for.
func (a *access) accepted(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d > 0 {
		a.since, a.lifetime = time.Now(), d
	}
}

// forget makes the next hello ask for another token.
func (a *access) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token = ""
}

// due reports whether to get the next one: some heartbeats early.
func (a *access) due(heartbeat time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.left() < min(time.Minute, a.lifetime/3)+2*heartbeat
}

// left is how long the token is good for yet. a.mu is held.
func (a *access) left() time.Duration { return a.lifetime - time.Since(a.since) }
