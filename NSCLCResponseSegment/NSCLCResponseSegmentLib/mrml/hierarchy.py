"""Patient and study in Slicer's data tree (subject hierarchy), so that results lie where a reader looks for them.

Attributes and level names are those of ``vtkMRMLSubjectHierarchyConstants``; Slicer's DICOM export reads them.
"""

from __future__ import annotations

import vtk
from slicer import vtkMRMLNode, vtkMRMLScene, vtkMRMLSubjectHierarchyNode

_PATIENT_LEVEL, _STUDY_LEVEL = "Patient", "Study"
_DICOM_UID = "DICOM"
_MODALITY = "DICOM.Modality"
_PATIENT_ID = "DICOM.PatientID"
#: Which of Slicer's plugins shows a node; the desktop sets it by itself, an item without one is an error there.
_OWNERS = {
    "vtkMRMLScalarVolumeNode": "Volumes",
    "vtkMRMLSegmentationNode": "Segmentations",
    "vtkMRMLTableNode": "Tables",
    "vtkMRMLTextNode": "Texts",
}


def file_under_study(
    scene: vtkMRMLScene,
    node: vtkMRMLNode,
    *,
    patient_id: str,
    study_uid: str = "",
    study_date: str = "",
    series_uid: str = "",
    modality: str = "",
) -> None:
    """Place an image under its patient and study; both are made when they are not there yet.

    :param patient_id: as in DICOM; images without one stay where they are.
    :param study_uid: DICOM Study Instance UID, tells studies apart; without it the study date does.
    :param study_date: YYYYMMDD.
    """
    if not patient_id:
        return
    tree = vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = _child(tree, tree.GetSceneItemID(), _PATIENT_LEVEL, _PATIENT_ID, patient_id)
    if not patient:
        patient = tree.CreateSubjectItem(tree.GetSceneItemID(), patient_id)
        tree.SetItemAttribute(patient, _PATIENT_ID, patient_id)
        tree.SetItemUID(patient, _DICOM_UID, patient_id)  # by which Slicer's DICOM browser finds it for the next series
        tree.SetItemOwnerPluginName(patient, "DICOM")
    key, value = ("DICOM.StudyInstanceUID", study_uid) if study_uid else ("DICOM.StudyDate", study_date)
    study = _child(tree, patient, _STUDY_LEVEL, key, value)
    if not study:
        study = tree.CreateStudyItem(patient, study_date or "Study")
        tree.SetItemAttribute(study, "DICOM.StudyDate", study_date)
        tree.SetItemOwnerPluginName(study, "DICOM")
        if study_uid:
            tree.SetItemUID(study, _DICOM_UID, study_uid)
            tree.SetItemAttribute(study, "DICOM.StudyInstanceUID", study_uid)
    item = _item(tree, node, study)
    if modality:
        tree.SetItemAttribute(item, _MODALITY, modality)
    if series_uid:
        tree.SetItemUID(item, _DICOM_UID, series_uid)


def file_beside(scene: vtkMRMLScene, node: vtkMRMLNode, image: vtkMRMLNode) -> None:
    """Place a node (outline, table, text) in the folder that an image lies in."""
    tree = vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = tree.GetItemByDataNode(image)
    if item:
        _item(tree, node, tree.GetItemParent(item))


def remove_node(scene: vtkMRMLScene, node: vtkMRMLNode) -> None:
    """Remove a node, what shows and stores it, and its row of the data tree, which a scene keeps, and saves, otherwise.

    The desktop removes the row by itself; elsewhere it would stay without a name, and be found for a later node.
    """
    owned = []
    if node.IsA("vtkMRMLDisplayableNode"):
        owned += [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
    if node.IsA("vtkMRMLStorableNode"):
        owned += [node.GetNthStorageNode(n) for n in range(node.GetNumberOfStorageNodes())]
    tree = vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = tree.GetItemByDataNode(node)
    if item:
        tree.RemoveItem(item, False, True)
    scene.RemoveNode(node)
    for other in owned:
        if other is not None:
            scene.RemoveNode(other)


def dicom_modality(node: vtkMRMLNode) -> str:
    """DICOM's modality of an image that Slicer's DICOM browser loaded, e.g. ``PT``; empty when it is not known."""
    tree, item = _filed(node)
    return tree.GetItemAttribute(item, _MODALITY) if item else ""


def dicom_patient_id(node: vtkMRMLNode) -> str:
    """DICOM's Patient ID of the patient whom a node is filed under; empty when it is not known."""
    tree, item = _filed(node)
    patient = tree.GetItemAncestorAtLevel(item, _PATIENT_LEVEL) if item else 0
    return tree.GetItemAttribute(patient, _PATIENT_ID) if patient else ""


def dicom_series_uid(node: vtkMRMLNode) -> str:
    """DICOM's Series Instance UID of an image; empty when it is not known."""
    tree, item = _filed(node)
    return tree.GetItemUID(item, _DICOM_UID) if item else ""


def _filed(node: vtkMRMLNode) -> tuple[vtkMRMLSubjectHierarchyNode | None, int]:
    """The data tree and a node's item in it, 0 when it has none."""
    if node.GetScene() is None:
        return None, 0
    tree = vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    return tree, tree.GetItemByDataNode(node)


def _item(tree: vtkMRMLSubjectHierarchyNode, node: vtkMRMLNode, parent: int) -> int:
    item = tree.GetItemByDataNode(node)
    if item:
        tree.SetItemParent(item, parent)
    else:
        item = tree.CreateItem(parent, node)
    if not tree.GetItemOwnerPluginName(item):
        tree.SetItemOwnerPluginName(item, _OWNERS[node.GetClassName()])
    return item


def _child(tree: vtkMRMLSubjectHierarchyNode, parent: int, level: str, attribute: str, value: str) -> int:
    """The child at a level whose attribute has the value; 0 when there is none."""
    children = vtk.vtkIdList()
    tree.GetItemChildren(parent, children)
    for item in (children.GetId(n) for n in range(children.GetNumberOfIds())):
        if tree.GetItemLevel(item) == level and tree.GetItemAttribute(item, attribute) == value:
            return item
    return 0
