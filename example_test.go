package editlock_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store/mem"
)

func Example() {
	ctx := context.Background()
	m, err := editlock.Open(ctx, mem.New(), editlock.Config{})
	if err != nil {
		panic(err)
	}
	defer m.Close()
	ana, _ := m.Session(ctx, editlock.User{ID: "7", Name: "Ana"})
	ben, _ := m.Session(ctx, editlock.User{ID: "8", Name: "Ben"})

	lock, _ := ana.Acquire(ctx, "article/42")
	fmt.Println("Ana holds", lock.Resource())

	_, err = ben.Try(ctx, "article/42")
	var locked *editlock.LockedError
	if errors.As(err, &locked) {
		fmt.Println("Ben is told that", locked.Snapshot.Holder.User.Name, "holds it")
	}

	time.AfterFunc(10*time.Millisecond, func() { lock.Release(ctx) })
	next, _ := ben.Acquire(ctx, "article/42") // waits for Ana
	fmt.Println("Ben holds it now, with a higher fence:", next.Fence() > lock.Fence())
	// Output:
	// Ana holds article/42
	// Ben is told that Ana holds it
	// Ben holds it now, with a higher fence: true
}

func ExampleSession_watch() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m, err := editlock.Open(ctx, mem.New(), editlock.Config{})
	if err != nil {
		panic(err)
	}
	defer m.Close()
	list, _ := m.Session(ctx, editlock.User{ID: "1", Name: "List"})
	ana, _ := m.Session(ctx, editlock.User{ID: "7", Name: "Ana"})

	news, _ := list.Watch(ctx, "article/") // every article
	lock, _ := ana.Acquire(ctx, "article/42")
	s := <-news
	fmt.Println(s.Resource, "is", s.State, "by", s.Holder.User.Name)
	lock.Release(ctx)
	s = <-news
	fmt.Println(s.Resource, "is", s.State)
	// Output:
	// article/42 is held by Ana
	// article/42 is free
}
