package server

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// sparing is a part of the log in which strangers, or an outage, could make many lines: some at once, and then one every few seconds,
// with how many were left out. Those are there at the level debug.
type sparing struct {
	limit *rate.Limiter
	left  atomic.Int64
}

func newSparing() *sparing {
	return &sparing{limit: rate.NewLimiter(rate.Every(5*time.Second), 20)}
}

func (q *sparing) log(log *slog.Logger, level slog.Level, message string, attrs ...any) {
	if !q.limit.Allow() {
		q.left.Add(1)
		level = slog.LevelDebug
	} else if n := q.left.Swap(0); n > 0 {
		attrs = append(attrs, "left_out_before", n)
	}
	log.Log(context.Background(), level, message, attrs...)
}

// refusedToken logs that an access token was refused.
func (s *Server) refusedToken(why error, attrs ...any) {
	s.refusedTokens.log(s.log, slog.LevelInfo, "an access token was refused", append(attrs, "why", why)...)
}

// unknownRight logs that a right of a good token gives nothing.
func (s *Server) unknownRight(id *identity) {
	if id.unknown != "" {
		s.unknownRights.log(s.log, slog.LevelWarn, "an access token has a right whose verb is unknown, and gives nothing", "user", id.user.ID, "right", id.unknown)
	}
}

// failedRequest logs that something could not be done, which is ours.
func (s *Server) failedRequest(err error, attrs ...any) {
	s.failedRequests.log(s.log, slog.LevelWarn, "a request failed", append(attrs, "err", err)...)
}
