module github.com/editlock/editlock

go 1.26
