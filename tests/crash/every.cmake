# SPDX-License-Identifier: MIT
# crash_every: killed, and stopped, at every instruction of every operation (docs/crash.md). x86-64 only, as it knows registers by
# name, and without sanitizers, which would be stepped through, too.
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" OR SHMQ_SANITIZE)
	return()
endif()

add_library(crash_every_objects OBJECT every_account.c every_after.c every_cell.c every_life.c every_life_check.c
	every_main.c every_must.c every_report.c every_scene.c every_step.c every_stop.c every_table.c every_victim.c
	every_watch.c every_words.c ../support/leak.c ../support/place.c ../support/process.c ../support/trace.c)
target_include_directories(crash_every_objects PRIVATE "${PROJECT_SOURCE_DIR}/tests" "${PROJECT_SOURCE_DIR}/include"
	"${PROJECT_SOURCE_DIR}/lib")

# every_program(NAME [object...]): the library is linked in, so that its clock is ours; objects come before its own.
function(every_program name)
	add_executable(${name} $<TARGET_OBJECTS:crash_every_objects> ${ARGN})
	target_link_libraries(${name} PRIVATE shmq_static)
	# What is called once is bound at the start, not under the tracer.
	target_link_options(${name} PRIVATE -Wl,-z,now)
endfunction()

# every_test(name timeout argument...)
function(every_test name timeout)
	shmq_add_test(crash_every_${name} ${timeout} FALSE $<TARGET_FILE:crash_every> ${ARGN})
endfunction()

every_program(crash_every)
# A sample for every run; all of it with SHMQ_FULL.
set(hot send,send_batch,commit,recv,recv_batch,release)
every_test(kill 300 --kill --operation=${hot})
every_test(recovery 300 --kill --kind=mpmc,broadcast --operation=attach_producer,attach_consumer,send_waits,recv_waits
	--state=dead_claim,dead_hold)
every_test(life 300 --kill --kind=queue --operation=create,attach,remove --on=shm,sysv)
every_test(stop 300 --stop --stride=48 --operation=${hot})
if(SHMQ_FULL)
	every_test(places_full 7200 --kill --stop --on=sysv,file,memfd --kind=spsc)
	every_test(kill_full 7200 --kill)
	# An attach is 54,000 instructions: one by one, that is for the others.
	every_test(instruction_full 7200 --kill --every-instruction --operation=${hot})
	every_test(stop_full 14400 --stop)
endif()

# crash_plant(name file message argument...): with the fault of plants/name.patch in the library, which needs `file` of lib/ to be
# compiled again, crash_every fails and says `message`.
find_program(PATCH_PROGRAM patch)
function(crash_plant name file message)
	set(dir ${CMAKE_CURRENT_BINARY_DIR}/plants/${name})
	set(patch ${CMAKE_CURRENT_SOURCE_DIR}/plants/${name}.patch)
	file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/lib/*.[ch] ${PROJECT_SOURCE_DIR}/include/shmq/*.h)
	add_custom_command(OUTPUT ${dir}/lib/${file} DEPENDS ${patch} ${sources}
		COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/plants/plant ${PROJECT_SOURCE_DIR} ${patch} ${dir} VERBATIM)
	every_program(crash_plant_${name} ${dir}/lib/${file})
	target_include_directories(crash_plant_${name} BEFORE PRIVATE ${dir}/lib ${dir}/include)
	shmq_add_test(crash_plant_${name} 300 FALSE ${CMAKE_CURRENT_SOURCE_DIR}/plants/caught
		$<TARGET_FILE:crash_plant_${name}> ${message} ${ARGN})
endfunction()

if(NOT PATCH_PROGRAM)
	message(STATUS "shmq: no patch: crash_every is not tested with planted faults")
	return()
endif()
crash_plant(publish_first queue_mpmc.c "not whole" --kind=mpmc --operation=send --state=one)
crash_plant(hint_first queue_mpmc.c "are due" --kind=mpmc --operation=send --state=one)
crash_plant(live_freed peer.c "are due" --stop --kind=mpmc --operation=commit --state=one)
crash_plant(nobodys queue_mpmc.c "should not be in the way" --stop --kind=mpmc --operation=abort --state=one)
crash_plant(unswept peer.c "are due" --kind=mpmc --operation=commit --state=one)
crash_plant(released_first queue_recv.c "not whole" --stop --kind=spsc --operation=recv --state=full)
crash_plant(header_first queue_spsc.c "is -74" --kind=spsc_records --operation=send --state=wrapping)
