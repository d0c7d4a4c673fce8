// One container as a local process: its environment, its start and end, its log and its last words.
//
// What is not as in a real container: the process sees the whole computer, runs as this program's user (user,
// capabilities and read-only root of the security context are accepted and not applied), is no process number 1
// (so SIGTERM ends a program that does not handle it), and has no probes and no lifecycle hooks.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cri-client/pkg/logs"
	"k8s.io/kubernetes/pkg/api/v1/resource"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// containerRun is one container of a pod. All fields but spec and init belong to the pod's lock.
type containerRun struct {
	spec     *corev1.Container
	init     bool
	state    corev1.ContainerState
	last     corev1.ContainerState
	restarts int32
	id       string
	process  *os.Process // while it runs
	oom      bool        // it is being killed for its memory
}

// environment is what the container's process gets to see, in the order of a real kubelet: the image's, envFrom,
// env with $(NAME) expanded. plain holds the names whose value was written in the pod itself.
func (p *podRun) environment(ctx context.Context, container *corev1.Container) (env map[string]string, plain map[string]bool, err error) {
	env, plain = map[string]string{}, map[string]bool{}
	env["PATH"] = os.Getenv("PATH")
	env["HOME"], env["TMPDIR"] = filepath.Join(p.dir, "home"), filepath.Join(p.dir, "tmp")
	env["HOSTNAME"] = p.pod.Name
	env["KUBERNETES_SERVICE_HOST"] = "127.0.0.1"
	env["KUBERNETES_SERVICE_PORT"] = fmt.Sprint(p.node.cluster.server.port)
	for _, pair := range p.node.cluster.settings.imageEnv {
		name, value, _ := strings.Cut(pair, "=")
		env[name], plain[name] = value, true
	}
	core := p.node.client.CoreV1()
	for _, from := range container.EnvFrom {
		if from.ConfigMapRef != nil {
			found, err := core.ConfigMaps(p.pod.Namespace).Get(ctx, from.ConfigMapRef.Name, metav1.GetOptions{})
			if err = allowed(err, from.ConfigMapRef.Optional); err != nil {
				return nil, nil, err
			}
			for key, value := range found.Data {
				env[from.Prefix+key] = value
			}
		}
		if from.SecretRef != nil {
			found, err := core.Secrets(p.pod.Namespace).Get(ctx, from.SecretRef.Name, metav1.GetOptions{})
			if err = allowed(err, from.SecretRef.Optional); err != nil {
				return nil, nil, err
			}
			for key, value := range found.Data {
				env[from.Prefix+key] = string(value)
			}
		}
	}
	for _, variable := range container.Env {
		if variable.ValueFrom == nil {
			env[variable.Name], plain[variable.Name] = expand(variable.Value, env), true
			continue
		}
		value, there, err := p.valueFrom(ctx, container, variable.ValueFrom)
		if err != nil {
			return nil, nil, err
		}
		if there {
			env[variable.Name] = value
			delete(plain, variable.Name)
		}
	}
	return env, plain, nil
}

func (p *podRun) valueFrom(ctx context.Context, container *corev1.Container, source *corev1.EnvVarSource) (string, bool, error) {
	core := p.node.client.CoreV1()
	switch {
	case source.FieldRef != nil:
		text, err := p.field(source.FieldRef.FieldPath)
		return text, true, err
	case source.ResourceFieldRef != nil:
		name := source.ResourceFieldRef.ContainerName
		if name == "" {
			name = container.Name
		}
		text, err := resource.ExtractResourceValueByContainerNameAndNodeAllocatable(
			source.ResourceFieldRef, p.pod, name, p.node.capacity())
		return text, true, err
	case source.ConfigMapKeyRef != nil:
		ref := source.ConfigMapKeyRef
		found, err := core.ConfigMaps(p.pod.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return "", false, allowed(err, ref.Optional)
		}
		value, there := found.Data[ref.Key]
		if !there && (ref.Optional == nil || !*ref.Optional) {
			return "", false, fmt.Errorf("couldn't find key %v in ConfigMap %v/%v", ref.Key, p.pod.Namespace, ref.Name)
		}
		return value, there, nil
	case source.SecretKeyRef != nil:
		ref := source.SecretKeyRef
		found, err := core.Secrets(p.pod.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return "", false, allowed(err, ref.Optional)
		}
		value, there := found.Data[ref.Key]
		if !there && (ref.Optional == nil || !*ref.Optional) {
			return "", false, fmt.Errorf("couldn't find key %v in Secret %v/%v", ref.Key, p.pod.Namespace, ref.Name)
		}
		return string(value), there, nil
	}
	return "", false, fmt.Errorf("the test kubelet has no such source of values")
}

// field reads what the downward API gives: of the pod's status as it will be, and else of the pod.
func (p *podRun) field(path string) (string, error) {
	switch path {
	case "spec.nodeName":
		return p.node.name, nil
	case "spec.serviceAccountName":
		return p.pod.Spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs":
		return nodeAddress, nil
	case "status.podIP", "status.podIPs":
		return p.address, nil
	}
	return fieldpath.ExtractFieldPathAsString(p.pod, path)
}

func expand(text string, env map[string]string) string {
	return expansion.Expand(text, expansion.MappingFuncFor(env))
}

// command puts the process together: words and paths as the pod says, with paths as they are on this computer.
func (p *podRun) command(container *corev1.Container, volumes, env map[string]string, plain map[string]bool) (*exec.Cmd, error) {
	places, err := p.places(container, volumes, env)
	if err != nil {
		return nil, err
	}
	for _, each := range places {
		if each.Inside == "/tmp" {
			env["TMPDIR"] = each.Outside
		}
	}
	for name := range plain {
		env[name] = rewrite(env[name], places)
	}
	env["AUTOCHROME_MOUNTS"] = mountsAsJSON(places)

	words := container.Command
	if len(words) == 0 {
		words = p.node.cluster.settings.entrypoint
	}
	words = append(append([]string{}, words...), container.Args...)
	if len(words) == 0 {
		return nil, errors.New("no command specified")
	}
	for i, word := range words {
		words[i] = rewrite(expand(word, env), places)
	}
	for _, name := range []string{"home", "tmp"} {
		if err := os.MkdirAll(filepath.Join(p.dir, name), 0o777); err != nil {
			return nil, err
		}
	}
	command := exec.Command(program(words[0], env["PATH"]), words[1:]...)
	command.Dir = env["HOME"]
	if container.WorkingDir != "" {
		command.Dir = rewrite(container.WorkingDir, places)
	}
	for name, value := range env {
		command.Env = append(command.Env, name+"="+value)
	}
	command.SysProcAttr = attributes()
	// Children that keep the pipes open must not keep the container "running".
	command.WaitDelay = 2 * time.Second
	return command, nil
}

// program finds a program by the container's own PATH.
func program(name, path string) string {
	if strings.Contains(name, "/") {
		return name
	}
	for _, folder := range filepath.SplitList(path) {
		if found, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return found
		}
	}
	return name
}

// runOnce starts the container's process and returns when it has ended, with its terminated state recorded.
func (p *podRun) runOnce(run *containerRun, volumes map[string]string, env map[string]string, plain map[string]bool) int32 {
	begun := metav1.Now()
	command, err := p.command(run.spec, volumes, env, plain)
	var log *logFile
	if err == nil {
		os.Remove(p.terminationLog(run.spec.Name))
		if log, err = openLog(p.logPath(run.spec.Name, run.restarts)); err == nil {
			defer log.close()
			command.Stdout, command.Stderr = log.stream("stdout"), log.stream("stderr")
			p.event(corev1.EventTypeNormal, "Created", run, "Container created")
			err = command.Start()
		}
	}
	p.mu.Lock()
	run.id = fmt.Sprintf("process://%s/%s/%d", p.pod.UID, run.spec.Name, run.restarts)
	run.oom = false
	if err != nil {
		p.mu.Unlock()
		p.event(corev1.EventTypeWarning, "Failed", run, "Error: "+err.Error())
		return p.terminated(run, corev1.ContainerStateTerminated{
			ExitCode: 128, Reason: "StartError", Message: err.Error(), StartedAt: begun,
		})
	}
	run.process = command.Process
	run.state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: begun}}
	p.mu.Unlock()
	p.event(corev1.EventTypeNormal, "Started", run, "Container started")
	p.touch()

	exited := make(chan struct{})
	go func() {
		select {
		case <-exited:
			return
		case <-p.stopping:
			p.event(corev1.EventTypeNormal, "Killing", run, "Stopping container "+run.spec.Name)
			command.Process.Signal(syscall.SIGTERM)
		}
		select {
		case <-exited:
		case <-p.kill:
			killGroup(command.Process)
		}
	}()
	err = command.Wait()
	close(exited)
	killGroup(command.Process)
	log.close()

	ended := corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: begun}
	status, _ := command.ProcessState.Sys().(syscall.WaitStatus)
	ended.ExitCode = int32(status.ExitStatus())
	if status.Signaled() {
		ended.ExitCode = 128 + int32(status.Signal())
	}
	if ended.ExitCode != 0 {
		ended.Reason = "Error"
	}
	p.mu.Lock()
	run.process = nil
	if run.oom {
		ended.Reason = "OOMKilled"
	}
	p.mu.Unlock()
	ended.Message = p.lastWords(run, ended.ExitCode)
	return p.terminated(run, ended)
}

// terminated records the end of a container.
func (p *podRun) terminated(run *containerRun, ended corev1.ContainerStateTerminated) int32 {
	p.mu.Lock()
	ended.FinishedAt, ended.ContainerID = metav1.Now(), run.id
	run.state = corev1.ContainerState{Terminated: &ended}
	p.mu.Unlock()
	p.touch()
	return ended.ExitCode
}

// lastWords is the termination message: the file's, or the end of the log where the pod asks for that.
func (p *podRun) lastWords(run *containerRun, code int32) string {
	if text, err := os.ReadFile(p.terminationLog(run.spec.Name)); err == nil && len(text) > 0 {
		return string(text[:min(len(text), 4096)])
	}
	if run.spec.TerminationMessagePolicy != corev1.TerminationMessageFallbackToLogsOnError || code == 0 {
		return ""
	}
	var out bytes.Buffer
	lines, limit := int64(80), int64(2048)
	options := logs.LogOptions{TailLines: &lines}
	if err := p.readLog(context.Background(), run.spec.Name, run.restarts, options, &out, &out); err != nil {
		return ""
	}
	return string(out.Bytes()[max(0, int64(out.Len())-limit):])
}

func (p *podRun) terminationLog(container string) string {
	return filepath.Join(p.dir, "termination-"+container)
}

func (p *podRun) logPath(container string, restart int32) string {
	return filepath.Join(p.dir, "logs", container, fmt.Sprintf("%d.log", restart))
}

// killGroup ends a process and all that it started.
func killGroup(process *os.Process) { syscall.Kill(-process.Pid, syscall.SIGKILL) }

// logFile is a container's log in the format of real nodes: time, stream, "F", line.
type logFile struct {
	mu      sync.Mutex
	file    *os.File
	streams []*logStream
}

type logStream struct {
	log  *logFile
	name string
	rest []byte
}

func openLog(path string) (*logFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return &logFile{file: file}, err
}

func (l *logFile) stream(name string) *logStream {
	stream := &logStream{log: l, name: name}
	l.streams = append(l.streams, stream)
	return stream
}

func (s *logStream) Write(bytesIn []byte) (int, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.rest = append(s.rest, bytesIn...)
	for {
		end := bytes.IndexByte(s.rest, '\n')
		if end < 0 {
			return len(bytesIn), nil
		}
		if err := s.line(s.rest[:end]); err != nil {
			return 0, err
		}
		s.rest = s.rest[end+1:]
	}
}

func (s *logStream) line(text []byte) error {
	_, err := fmt.Fprintf(s.log.file, "%s %s F %s\n", time.Now().UTC().Format(time.RFC3339Nano), s.name, text)
	return err
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, stream := range l.streams {
		if len(stream.rest) > 0 {
			stream.line(stream.rest)
			stream.rest = nil
		}
	}
	l.file.Close()
}

// reasonOf is the API's reason of an error, or nothing.
func reasonOf(err error) metav1.StatusReason { return apierrors.ReasonForError(err) }
