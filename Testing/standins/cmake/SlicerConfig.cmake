# Stand-in for the CMake package of 3D Slicer: enough to configure, build and install this extension without Slicer, so
# that a listed file that is missing is a fatal error here too. Macro names and arguments are those of
# CMake/SlicerMacroBuildScriptedModule.cmake, SlicerMacroBuildScriptedCLI.cmake and SlicerMacroPythonTesting.cmake in
# Slicer's source. It does not prove that Slicer's own macros accept anything beyond that.

set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.12/qt-scripted-modules")
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.12/qt-scripted-modules")
set(Slicer_CLIMODULES_BIN_DIR "lib/Slicer-5.12/cli-modules")
set(Slicer_INSTALL_CLIMODULES_BIN_DIR "lib/Slicer-5.12/cli-modules")
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/empty.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/empty.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/empty.cmake")

foreach(name HOMEPAGE CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  if("${EXTENSION_${name}}" STREQUAL "")
    message(FATAL_ERROR "EXTENSION_${name} is not set")
  endif()
endforeach()
if(DEFINED EXTENSION_CATEGORY)
  message(FATAL_ERROR "EXTENSION_CATEGORY belongs in the entry for the Extensions Index")
endif()

function(_copy_and_install name files subdir)
  set(copies)
  foreach(file IN LISTS files)
    if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
      message(FATAL_ERROR "${name} lists '${file}', which does not exist")
    endif()
    set(copy "${CMAKE_BINARY_DIR}/${subdir}/${file}")
    add_custom_command(OUTPUT "${copy}"
      COMMAND ${CMAKE_COMMAND} -E copy "${CMAKE_CURRENT_SOURCE_DIR}/${file}" "${copy}"
      DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
    list(APPEND copies "${copy}")
  endforeach()
  add_custom_target(${name} ALL DEPENDS ${copies})
  install(DIRECTORY "${CMAKE_BINARY_DIR}/${subdir}/" DESTINATION "${subdir}")
endfunction()

macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY_SLICER "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MY_SLICER_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "Unknown keywords: ${MY_SLICER_UNPARSED_ARGUMENTS}")
  endif()
  _copy_and_install("${MY_SLICER_NAME}" "${MY_SLICER_SCRIPTS};${MY_SLICER_RESOURCES}"
    "${Slicer_QTSCRIPTEDMODULES_LIB_DIR}")
endmacro()

macro(slicerMacroBuildScriptedCLI)
  cmake_parse_arguments(MY_SLICER "VERBOSE;NO_INSTALL" "NAME;FOLDER" "" ${ARGN})
  if(MY_SLICER_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "Unknown keywords: ${MY_SLICER_UNPARSED_ARGUMENTS}")
  endif()
  _copy_and_install("${MY_SLICER_NAME}" "${MY_SLICER_NAME}.py;${MY_SLICER_NAME}.xml" "${Slicer_CLIMODULES_BIN_DIR}")
endmacro()

macro(slicer_add_python_unittest)
  cmake_parse_arguments(MY_SLICER "" "SCRIPT;TESTNAME_PREFIX" "SLICER_ARGS" ${ARGN})
  if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${MY_SLICER_SCRIPT}")
    message(FATAL_ERROR "The test script '${MY_SLICER_SCRIPT}' does not exist")
  endif()
endmacro()
