export function ColourDialog({ onClose }: { readonly onClose: () => void }) {
  void onClose;
  return null;
}
