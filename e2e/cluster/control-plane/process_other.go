//go:build !linux

// Elsewhere than on Linux: containers' memory is not watched (no real OOM kill; the fault oomPod still works),
// and processes may outlive this program when it is killed.
package main

import "syscall"

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func memoryOfGroups() map[int]int64 { return map[int]int64{} }
