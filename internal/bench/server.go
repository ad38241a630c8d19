package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/metrics"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/sqlite"
	"github.com/editlock/editlock/wire"
)

// The key of the access tokens, and whom they are from and for. All of it stays on this machine's loopback.
var (
	accessKey, keyError   = wire.NewKey("", []byte("bJ8vK2mXzQ5nW1rT7yL4pH0sD6fG9aEc"))
	lockKey, lockKeyError = wire.NewKey("", []byte("xR4dN9sVb2Hk7TqLw5ZpYc8JmGf3UaEo"))
)

const (
	issuer   = "bench"
	audience = "editlock"
)

// lockServer is editlock over SQLite, on a port of the loopback.
type lockServer struct{ url string }

func serveLocks(ctx context.Context, ends *ending, dir string, counted bool) (*lockServer, error) {
	if err := errors.Join(keyError, lockKeyError); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(dir, "locks-")
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	st, err := sqlite.Open(filepath.Join(dir, "locks.db"), sqlite.Options{Log: log})
	if err != nil {
		return nil, err
	}
	ends.later(func() { _ = st.Close() })
	var records store.Store = st
	var cfg editlock.Config
	var requests *server.Observer
	if counted {
		counts, err := metrics.New(prometheus.NewRegistry())
		if err != nil {
			return nil, err
		}
		records, cfg.Observer, requests = counts.Store(st), counts.Observer(), &server.Observer{Request: counts.Request}
	}
	cfg.Logger = log
	m, err := editlock.Open(ctx, records, cfg)
	if err != nil {
		return nil, err
	}
	ends.later(func() { _ = m.Close() })
	// The limits are against abuse; everything here comes from one address, as fast as it can.
	const many = 1_000_000 // the highest rate there is
	locks, err := server.New(m, server.Options{
		Access: server.Access{Keys: wire.Keys{accessKey}, Issuer: issuer, Audience: audience}, LockKey: lockKey, Logger: log, Observer: requests,
		Rate: many, Burst: many, HandshakeRate: many, MaxPerAddress: many, MaxConnections: many,
	})
	if err != nil {
		return nil, err
	}
	ends.later(func() {
		end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = locks.Close(end)
	})
	url, err := serve(ends, http.StripPrefix("/editlock", locks))
	if err != nil {
		return nil, err
	}
	return &lockServer{url + "/editlock/v1/socket"}, nil
}

// session connects and says hello as user number i.
func (s *lockServer) session(ctx context.Context, ends *ending, i int, heard *atomic.Int64) (*peer, error) {
	p, err := dial(s.url, heard)
	if err != nil {
		return nil, err
	}
	ends.later(p.close)
	token, err := accessToken(i)
	if err != nil {
		return nil, err
	}
	return p, p.hello(ctx, token)
}

// accessToken is one of user number i, good for an hour.
func accessToken(i int) (string, error) {
	id := strconv.Itoa(i + 1)
	return accessKey.Sign("JWT", map[string]any{
		"sub": id, "name": fmt.Sprintf("User %s", id), "rights": []string{"edit:**"}, "iss": issuer, "aud": audience,
		"exp": time.Now().Add(time.Hour).Unix(),
	})
}
