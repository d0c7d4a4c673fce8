// Volumes of a pod as folders, and the rewriting that lets a local process find them.
//
// A process here has no root folder of its own: a volume mounted at /work/in lies somewhere in the data folder.
// So every path in a container's command, args, working directory and plain env values that begins with a mount
// path (or with a path of --map) is rewritten to where it lies. Values from Secrets, ConfigMaps and the downward
// API are left alone, and so are paths that a program has built in. AUTOCHROME_MOUNTS lists all of them as JSON
// ({mountPath: folder}). Contents are written once, when the pod starts; later changes are not followed.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/api/v1/resource"
	"k8s.io/kubernetes/pkg/fieldpath"
)

// fillVolumes makes all volumes of the pod and returns the folder of each by name. An error says which volume is
// wrong in the words of a real kubelet's FailedMount event.
func (p *podRun) fillVolumes(ctx context.Context) (map[string]string, error) {
	folders := map[string]string{}
	for _, volume := range p.pod.Spec.Volumes {
		folder := filepath.Join(p.dir, "volumes", volume.Name)
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return nil, err
		}
		elsewhere, err := p.fillVolume(ctx, volume.VolumeSource, folder)
		if err != nil {
			return nil, fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", volume.Name, err)
		}
		if elsewhere != "" {
			folder = elsewhere
		}
		folders[volume.Name] = folder
	}
	return folders, nil
}

// fillVolume writes a volume's files into folder, or names the folder that it is.
func (p *podRun) fillVolume(ctx context.Context, source corev1.VolumeSource, folder string) (string, error) {
	switch {
	case source.EmptyDir != nil:
		return "", nil
	case source.HostPath != nil:
		return source.HostPath.Path, nil
	case source.PersistentVolumeClaim != nil:
		return p.claimFolder(ctx, source.PersistentVolumeClaim.ClaimName)
	case source.ConfigMap != nil:
		return "", p.writeConfigMap(ctx, folder, source.ConfigMap.Name, source.ConfigMap.Items, source.ConfigMap.Optional)
	case source.Secret != nil:
		return "", p.writeSecret(ctx, folder, source.Secret.SecretName, source.Secret.Items, source.Secret.Optional)
	case source.DownwardAPI != nil:
		return "", p.writeDownward(folder, source.DownwardAPI.Items)
	case source.Projected != nil:
		for _, part := range source.Projected.Sources {
			var err error
			switch {
			case part.ServiceAccountToken != nil:
				err = p.writeToken(ctx, folder, part.ServiceAccountToken)
			case part.ConfigMap != nil:
				err = p.writeConfigMap(ctx, folder, part.ConfigMap.Name, part.ConfigMap.Items, part.ConfigMap.Optional)
			case part.Secret != nil:
				err = p.writeSecret(ctx, folder, part.Secret.Name, part.Secret.Items, part.Secret.Optional)
			case part.DownwardAPI != nil:
				err = p.writeDownward(folder, part.DownwardAPI.Items)
			}
			if err != nil {
				return "", err
			}
		}
		return "", nil
	}
	return "", fmt.Errorf("the test kubelet has no such kind of volume")
}

// claimFolder is the folder of the claim's volume, which must be of kind hostPath or local.
func (p *podRun) claimFolder(ctx context.Context, name string) (string, error) {
	claim, err := p.node.client.CoreV1().PersistentVolumeClaims(p.pod.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	volume, err := p.node.client.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	folder := ""
	if volume.Spec.HostPath != nil {
		folder = volume.Spec.HostPath.Path
	}
	if volume.Spec.Local != nil {
		folder = volume.Spec.Local.Path
	}
	if folder == "" {
		return "", fmt.Errorf("volume %q is neither hostPath nor local", volume.Name)
	}
	return folder, os.MkdirAll(folder, 0o777)
}

func (p *podRun) writeConfigMap(ctx context.Context, folder, name string, items []corev1.KeyToPath, optional *bool) error {
	found, err := p.node.client.CoreV1().ConfigMaps(p.pod.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return allowed(err, optional)
	}
	files := map[string][]byte{}
	for key, text := range found.Data {
		files[key] = []byte(text)
	}
	for key, bytes := range found.BinaryData {
		files[key] = bytes
	}
	return writeFiles(folder, files, items, optional)
}

func (p *podRun) writeSecret(ctx context.Context, folder, name string, items []corev1.KeyToPath, optional *bool) error {
	found, err := p.node.client.CoreV1().Secrets(p.pod.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return allowed(err, optional)
	}
	return writeFiles(folder, found.Data, items, optional)
}

func (p *podRun) writeToken(ctx context.Context, folder string, wanted *corev1.ServiceAccountTokenProjection) error {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: wanted.ExpirationSeconds,
		BoundObjectRef: &authenticationv1.BoundObjectReference{
			APIVersion: "v1", Kind: "Pod", Name: p.pod.Name, UID: p.pod.UID,
		},
	}}
	if wanted.Audience != "" {
		request.Spec.Audiences = []string{wanted.Audience}
	}
	account := p.node.client.CoreV1().ServiceAccounts(p.pod.Namespace)
	answer, err := account.CreateToken(ctx, p.pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return writeWhole(filepath.Join(folder, wanted.Path), []byte(answer.Status.Token))
}

func (p *podRun) writeDownward(folder string, items []corev1.DownwardAPIVolumeFile) error {
	for _, item := range items {
		var text string
		var err error
		if item.FieldRef != nil {
			text, err = fieldpath.ExtractFieldPathAsString(p.pod, item.FieldRef.FieldPath)
		}
		if item.ResourceFieldRef != nil {
			text, err = resource.ExtractResourceValueByContainerNameAndNodeAllocatable(
				item.ResourceFieldRef, p.pod, item.ResourceFieldRef.ContainerName, p.node.capacity())
		}
		if err == nil {
			err = writeWhole(filepath.Join(folder, item.Path), []byte(text))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// allowed turns the error of an object that may be missing into none.
func allowed(err error, optional *bool) error {
	if optional != nil && *optional && metav1.StatusReasonNotFound == reasonOf(err) {
		return nil
	}
	return err
}

func writeFiles(folder string, files map[string][]byte, items []corev1.KeyToPath, optional *bool) error {
	if len(items) == 0 {
		for key := range files {
			items = append(items, corev1.KeyToPath{Key: key, Path: key})
		}
	}
	for _, item := range items {
		bytes, there := files[item.Key]
		if !there {
			if optional != nil && *optional {
				continue
			}
			return fmt.Errorf("references non-existent config key: %s", item.Key)
		}
		if err := writeWhole(filepath.Join(folder, item.Path), bytes); err != nil {
			return err
		}
	}
	return nil
}

// place says that what a container calls Inside lies at Outside.
type place struct{ Inside, Outside string }

// places lists where a container's paths lie: its mounts, its termination log, and the image's own files.
func (p *podRun) places(container *corev1.Container, volumes, env map[string]string) ([]place, error) {
	var found []place
	for _, mount := range container.VolumeMounts {
		inner := mount.SubPath
		if mount.SubPathExpr != "" {
			inner = expand(mount.SubPathExpr, env)
		}
		outside := filepath.Join(volumes[mount.Name], inner)
		if _, err := os.Stat(outside); os.IsNotExist(err) {
			if err := os.MkdirAll(outside, 0o777); err != nil {
				return nil, err
			}
		}
		found = append(found, place{filepath.Clean(mount.MountPath), outside})
	}
	found = append(found, p.node.cluster.settings.image...)
	if container.TerminationMessagePath != "" {
		found = append(found, place{container.TerminationMessagePath, p.terminationLog(container.Name)})
	}
	sort.SliceStable(found, func(a, b int) bool { return len(found[a].Inside) > len(found[b].Inside) })
	return found, nil
}

func mountsAsJSON(places []place) string {
	all := map[string]string{}
	for _, each := range places {
		all[each.Inside] = each.Outside
	}
	text, _ := json.Marshal(all)
	return string(text)
}

var pathInText = regexp.MustCompile(`(^|[^A-Za-z0-9_.\-/])(/[A-Za-z0-9_.\-/]+)`)

// rewrite replaces the paths in a text by where they lie. Part of a longer path or of an address it is not.
func rewrite(text string, places []place) string {
	return pathInText.ReplaceAllStringFunc(text, func(match string) string {
		start := strings.Index(match, "/")
		path := match[start:]
		for _, each := range places {
			if path == each.Inside || strings.HasPrefix(path, each.Inside+"/") {
				return match[:start] + each.Outside + path[len(each.Inside):]
			}
		}
		return match
	})
}
