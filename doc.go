// Package editlock lets exactly one session edit a resource while the others wait and are let in, with
// fresh content, the moment it is free.
//
// A [Manager] hosts sessions over a store. A Go program that embeds it takes a [Session] and a [Lock]:
//
//	m, err := editlock.Open(ctx, st, editlock.Config{})
//	s, err := m.Session(ctx, editlock.User{ID: "7", Name: "Ana"})
//	lock, err := s.Acquire(ctx, "article/42") // waits its turn; ctx bounds the waiting only
//	defer lock.Release(ctx)
//	save(lock.Context(), lock.Fence())        // cancelled when the lock can no longer be trusted
//
// Package server serves the same Manager to pages and programs over WebSocket. The rules are in package
// lease; why they are safe is in docs/lease.md.
package editlock
